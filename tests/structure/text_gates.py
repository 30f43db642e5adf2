"""Gates on scripts and documents, in the form of code_gates.py.

A document shows code only by quoting a file of the project:

    <!-- snippet: examples/hello/greeter_server.cc#serve -->
    ```cpp
    ...what stands between `docs:begin serve` and `docs:end serve` there...
    ```

Without #REGION it is the whole file. A block that quotes nothing says why, as in
<!-- no snippet: the shape only -->.
"""

import os
import re
import subprocess
import textwrap

QUOTED_LANGUAGES = ("cpp", "c++", "c", "proto", "cmake")
_FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*([\w+-]*)")
_SNIPPET = re.compile(r"<!--\s*snippet:\s*([^\s#]+)(?:#([\w-]+))?\s*-->")
_NO_SNIPPET = re.compile(r"<!--\s*no snippet:\s*\S.*-->")
_SHELL = ("sh", "bash", "shell", "console")


def documents(tree):
    return [p for p in tree.files if p.endswith(".md")]


def blocks(lines):
    """(line number of the fence, language, comment line before it, body)."""
    before = ""
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if not opening:
            if lines[number].strip():
                before = lines[number]
            number += 1
            continue
        start, body = number, []
        number += 1
        while number < len(lines) and not lines[number].strip().startswith(opening.group(2)):
            body.append(lines[number])
            number += 1
        yield start + 1, opening.group(3).lower(), before, body
        before = ""
        number += 1


def region(lines, name):
    """The lines between docs:begin NAME and docs:end NAME, less their common
    indentation; None when there is no such region."""
    if name is None:
        return lines[:-1] if lines and not lines[-1] else lines
    marks = {mark: [i for i, line in enumerate(lines)
                    if re.search(rf"docs:{mark} {re.escape(name)}\s*$", line)]
             for mark in ("begin", "end")}
    if len(marks["begin"]) != 1 or len(marks["end"]) != 1:
        return None
    body = lines[marks["begin"][0] + 1:marks["end"][0]]
    return textwrap.dedent("\n".join(body)).split("\n")


def snippets_are_the_code(tree):
    for path in documents(tree):
        for number, language, before, body in blocks(tree.lines(path)):
            match = _SNIPPET.search(before)
            if match:
                source, name = match.groups()
                where = source + (f"#{name}" if name else "")
                if source not in tree.files:
                    yield path, number, f"quotes {source}, which does not exist"
                    continue
                expected = region(tree.lines(source), name)
                if expected is None:
                    yield path, number, f"{source} has no region '{name}' (docs:begin, docs:end)"
                elif expected != body:
                    yield path, number, f"differs from {where}: make it the same text"
            elif language in QUOTED_LANGUAGES and not _NO_SNIPPET.search(before):
                yield path, number, (f"a {language} block that quotes no file: put <!-- snippet: "
                                     "PATH#REGION --> before it, or <!-- no snippet: WHY -->")


def documented_commands_exist(tree):
    for path in documents(tree):
        for number, language, _, body in blocks(tree.lines(path)):
            if language not in _SHELL:
                continue
            for offset, line in enumerate(body, 1):
                for command in re.findall(r"(?:^|[\s;&|$(])\./((?:scripts|\.ci|tools)/[\w./-]+)", line):
                    if command not in tree.files:
                        yield path, number + offset, f"./{command} does not exist"
                    elif not tree.is_executable(command):
                        yield path, number + offset, f"./{command} is not executable: chmod +x"


def links_lead_somewhere(tree):
    for path in documents(tree):
        directory = os.path.dirname(path)
        for number, line in enumerate(tree.lines(path), 1):
            for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                if not (tree.root / directory / target).exists():
                    yield path, number, f"links to {target}, which does not exist"


def scripts_are_sound(tree):
    for path in tree.files:
        first = tree.lines(path)[0] if path.startswith(("scripts/", ".ci/")) else ""
        is_bash = bool(re.match(r"#!.*\b(bash|sh)\b", first)) or path.endswith(".sh")
        if first.startswith("#!") and not tree.is_executable(path):
            yield path, 1, "starts with #! but is not executable: chmod +x"
        if first.startswith("#!") and not first.startswith("#!/usr/bin/env bash"):
            yield path, 1, "start it with #!/usr/bin/env bash"
        if tree.is_executable(path) and path.startswith(("scripts/", ".ci/")) and not first.startswith("#!"):
            yield path, 1, "is executable but has no #! line"
        if is_bash:
            check = subprocess.run(["bash", "-n", str(tree.root / path)], text=True,
                                   stderr=subprocess.PIPE, check=False)
            if check.returncode != 0:
                yield path, 1, f"bash cannot parse it: {check.stderr.strip()}"


GATES = (
    snippets_are_the_code,
    documented_commands_exist,
    links_lead_somewhere,
    scripts_are_sound,
)
