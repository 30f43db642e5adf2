"""Writes a header with wrong copies of the ring and the bell: mutate.py ROOT OUTPUT

Each mutant is one change to the text of the real header, whose old text must be
there exactly once: a mutant cannot outlive the code that it breaks."""

import re
import sys

RING = "transports/ring/ring.h"
BELL = "transports/ring/bell.h"

# (name, file, what stands there, what the mutant has instead)
MUTANTS = (
    # The order of what is published.
    ("publish_relaxed", RING, "size, Memory::kSeqCst)", "size, Memory::kRelaxed)"),
    ("publish_release", RING, "size, Memory::kSeqCst)", "size, Memory::kRelease)"),
    ("publish_before_zero", RING,
     "memory_.StoreLength(next & mask, 0, Memory::kRelaxed);\n"
     "    memory_.StoreLength(head_ & mask, size, Memory::kSeqCst);",
     "memory_.StoreLength(head_ & mask, size, Memory::kSeqCst);\n"
     "    memory_.StoreLength(next & mask, 0, Memory::kRelaxed);"),
    ("next_not_zeroed", RING, "memory_.StoreLength(next & mask, 0, Memory::kRelaxed);", "(void)next;"),
    ("peek_relaxed", RING, "LoadLength(tail(), Memory::kAcquire)", "LoadLength(tail(), Memory::kRelaxed)"),
    ("index_relaxed", RING, "StoreIndex(tail_, Memory::kSeqCst)", "StoreIndex(tail_, Memory::kRelaxed)"),
    ("index_release", RING, "StoreIndex(tail_, Memory::kSeqCst)", "StoreIndex(tail_, Memory::kRelease)"),
    ("index_seen_relaxed", RING, "Refresh(Memory::kAcquire)", "Refresh(Memory::kRelaxed)"),
    # Space.
    ("no_room_for_next_length", RING, "RecordBytes(size) + kRecordAlign <= free", "RecordBytes(size) <= free"),
    ("index_published_too_late", RING, "tail_ - published_ < capacity_ / 4", "tail_ - published_ < capacity_"),
    # What a peer may have written.
    ("length_unchecked", RING, "if (length > max_frame_) return RingState::kBroken;", ""),
    ("length_read_twice", RING, "length_ = length;", "length_ = memory_.LoadLength(tail(), Memory::kAcquire);"),
    ("length_read_each_peek", RING, "if (length_ == 0) {", "{"),
    ("index_unchecked", RING, "advance > head_ - consumed_ || ", ""),
    ("index_unaligned", RING, " || advance % kRecordAlign != 0", ""),
    # Going to sleep.
    ("no_second_look", RING, "length_ != 0 || memory_.LoadLength(tail(), Memory::kSeqCst) != 0", "length_ != 0"),
    ("second_look_acquire", RING, "LoadLength(tail(), Memory::kSeqCst)", "LoadLength(tail(), Memory::kAcquire)"),
    ("second_look_for_space_acquire", RING, "LoadIndex(Memory::kSeqCst) != index",
     "LoadIndex(Memory::kAcquire) != index"),
    ("no_second_look_for_space", RING, "memory_.LoadIndex(Memory::kSeqCst) != index",
     "memory_.LoadIndex(Memory::kSeqCst) != index && false"),
    ("raise_release", BELL, "word_.Store(value_, Word::kSeqCst);", "word_.Store(value_, Word::kRelease);"),
    ("raise_the_same_value", BELL, "value_ = (value_ + 1) | 1;", "value_ = 1;"),
    ("due_acquire", BELL, "word_.Load(Word::kSeqCst)", "word_.Load(Word::kAcquire)"),
    ("ring_while_lowered", BELL, "(value & 1) == 0 || ", ""),
    ("ring_again", BELL, " || value == rung_", ""),
    ("never_ring", BELL, "rung_ = value;\n    return true;", "rung_ = value;\n    return false;"),
)


def body(text):
    """Without what may be there once only: the guard and the includes."""
    return "\n".join(line for line in text.split("\n") if not re.match(r"#(include|ifndef|define|endif)\b", line))


def main(root, output):
    texts = {}
    for path in (RING, BELL):
        with open(f"{root}/{path}", encoding="utf-8") as file:
            texts[path] = file.read()
    out = ["// Made by tests/model/mutate.py."]
    for name, path, old, new in MUTANTS:
        count = texts[path].count(old)
        if count != 1:
            sys.exit(f"mutate.py: mutant {name}: {path} has this {count} times, not once; "
                     f"make the mutant fit the code again:\n{old}")
        out.append(f"namespace mutants::{name} {{")
        for each in (RING, BELL):
            out.append(body(texts[each].replace(old, new) if each == path else texts[each]))
        out.append("}")
    out.append("#define NEARCALL_FOR_EACH_MUTANT(DO) \\")
    out.extend(f"  DO({name}) \\" for name, *_ in MUTANTS)
    out.append("")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("use: python3 mutate.py ROOT OUTPUT")
    main(*sys.argv[1:])
