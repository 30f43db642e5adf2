"""Checks the shape of the source tree: python3 gates.py ROOT

Prints each violation as PATH:LINE: WHAT; ends with 1 when there is one."""

import sys

import code_gates
import text_gates
from source_tree import Tree

GATES = code_gates.GATES + text_gates.GATES


def main(root):
    tree = Tree(root)
    if not tree.cpp("runtime") or not tree.cpp("transports", "bench"):
        sys.exit(f"gates: '{root}' is not the project's root: found no sources there")
    count = 0
    for gate in GATES:
        for path, line, message in gate(tree):
            print(f"{path}:{line}: {message} [{gate.__name__}]")
            count += 1
    print(f"{len(GATES)} gates over {len(tree.files)} files: {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("use: python3 gates.py ROOT")
    sys.exit(main(sys.argv[1]))
