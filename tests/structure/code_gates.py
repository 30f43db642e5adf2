"""Gates on the code: layers, forbidden names, sizes. Each takes a Tree and yields
(path, line number, what is wrong and what to do)."""

import re

# The waist and the vocabulary beside it: all of the runtime that a transport
# may know.
WAIST = frozenset({
    "runtime/deadline.h",
    "runtime/fd.h",
    "runtime/link.h",
    "runtime/per_process.h",
    "runtime/sync.h",
    "runtime/target.h",
    "runtime/target_spelling.h",
    "runtime/transport.h",
    "runtime/waiter.h",
    "nearcall/config.pb.h",
    "nearcall/stale_resources.h",
    "nearcall/version.h",
})
# Whole channels and servers rather than links: above the waist.
ABOVE_THE_WAIST = ("transports/grpc/",)
MAY_USE_GRPC = ("transports/grpc/", "bench/", "compat/", "tests/")
# Where deadlines of the public API, which are on the wall clock, become ours.
MAY_READ_WALL_CLOCK = re.compile(
    r"^runtime/(include/nearcall/time|wall_time)\.h$")
LIBRARY = ("runtime", "transports")
MOST_LINES = 500
SOURCE = (".h", ".cc", ".c", ".py", ".sh", ".proto", ".cmake", "CMakeLists.txt")


def _search(tree, paths, pattern, remedy):
    for path in paths:
        for number, line in enumerate(tree.code(path), 1):
            match = re.search(pattern, line)
            if match:
                yield path, number, f"'{match.group().strip()}': {remedy}"


def runtime_knows_no_transport(tree):
    for path in tree.cpp("runtime"):
        for number, included in tree.includes(path):
            if included.startswith("transports/") or "../" in included:
                yield path, number, (f"includes {included}: the runtime reaches transports through "
                                     "runtime/transport.h only")


def transports_know_the_waist_only(tree):
    for path in tree.cpp("transports"):
        if path.startswith(ABOVE_THE_WAIST):
            continue
        for number, included in tree.includes(path):
            ours = included.startswith(("runtime/", "nearcall/", "codegen/")) or "../" in included
            if ours and included not in WAIST:
                yield path, number, (f"includes {included}: a transport may know only "
                                     f"{', '.join(sorted(WAIST))} (WAIST in code_gates.py)")


def grpc_stays_apart(tree):
    for path in tree.cpp():
        if path.startswith(MAY_USE_GRPC):
            continue
        for number, included in tree.includes(path):
            if included.startswith("grpc"):
                yield path, number, (f"includes {included}: only {', '.join(MAY_USE_GRPC)} may use "
                                     "gRPC, so that nobody else links it")


def no_grpc_package(tree):
    """Two copies of a descriptor in one process end it at start."""
    for path in tree.files:
        if path.endswith(".proto") and not path.startswith("tests/"):
            for number, line in enumerate(tree.lines(path), 1):
                if re.match(r"\s*package\s+grpc\b", line):
                    yield path, number, "package grpc belongs to gRPC's own library: choose another"


def no_timed_waits_on_the_wall_clock(tree):
    yield from _search(tree, tree.cpp(*LIBRARY),
                       r"\b(sem_timedwait|pthread_cond_timedwait|pthread_mutex_timedlock)\b",
                       "waits on a clock that jumps; use CondVar::WaitUntil")


def no_wall_clock(tree):
    paths = [p for p in tree.cpp(*LIBRARY) if not MAY_READ_WALL_CLOCK.match(p)]
    yield from _search(tree, paths,
                       r"\bsystem_clock\s*::\s*now\b|\bCLOCK_REALTIME\b|\bgettimeofday\b|\bhigh_resolution_clock\b"
                       r"|\babsl::Now\b|(?<![\w.>:])time\s*\(\s*(nullptr|NULL|0|&)",
                       "the library's clock is monotonic; use runtime/deadline.h")


def no_fences(tree):
    yield from _search(tree, tree.cpp(*LIBRARY, "examples"),
                       r"\batomic_(thread|signal)_fence\b",
                       "ThreadSanitizer does not understand fences; order by seq_cst operations")


def one_kind_of_lock(tree):
    paths = [p for p in tree.cpp(*LIBRARY) if p != "runtime/sync.h"]
    yield from _search(tree, paths,
                       r"\bstd::(mutex|timed_mutex|recursive_mutex|shared_mutex|condition_variable\w*)\b"
                       r"|\babsl::(Mutex|CondVar)\w*\b|\bpthread_(mutex|cond|rwlock)_\w+",
                       "use Mutex and CondVar of runtime/sync.h, which the analyses understand")


def no_lock_outlives_a_fork(tree):
    """Another thread may hold it at the moment of the fork; nobody lets go of it in the child."""
    yield from _search(tree, tree.cpp(*LIBRARY),
                       r"\bstatic\s+(constinit\s+)?Mutex\b|^(constinit\s+)?Mutex\b(?!\w*\()",
                       "a lock of the whole process stays locked in a forked child: use PerProcess")


def public_headers_are_plain(tree):
    paths = tree.cpp("runtime/include")
    yield from _search(tree, paths, r"\babsl::(string_view|optional|variant|any)\b",
                       "use the std:: type: Abseil's is another one, depending on its build")
    for path in paths:
        for number, included in tree.includes(path):
            if included.startswith(("runtime/", "transports/", "codegen/")) or "../" in included:
                yield path, number, f"includes {included}, which is not installed"


def floor_is_raw(tree):
    path = "bench/floor.c"
    if path not in tree.files:
        return
    for number, included in tree.includes(path):
        if "nearcall" in included or included.startswith(("runtime/", "transports/", "bench/")):
            yield path, number, f"includes {included}: the floor uses none of the project's code"
    if len(tree.text(path).splitlines()) >= 120:
        yield path, 120, "the floor stays under 120 lines, so that anyone can read it whole"


def sources_stay_small(tree):
    for path in tree.files:
        if path.endswith(SOURCE) and "/golden/" not in path:
            count = len(tree.text(path).splitlines())
            if count >= MOST_LINES:
                yield path, count, f"{count} lines: split it, sources stay under {MOST_LINES}"


GATES = (
    runtime_knows_no_transport,
    transports_know_the_waist_only,
    grpc_stays_apart,
    no_grpc_package,
    no_timed_waits_on_the_wall_clock,
    no_wall_clock,
    no_fences,
    one_kind_of_lock,
    no_lock_outlives_a_fork,
    public_headers_are_plain,
    floor_is_raw,
    sources_stay_small,
)
