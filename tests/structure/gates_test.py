"""Each gate must find what it exists for, and nothing in what is allowed."""

import os
import pathlib
import tempfile
import unittest

import code_gates
import gates
import text_gates
from source_tree import Tree

# Gate -> files that break it, files that come close but are right.
PLANTED = {
    code_gates.runtime_knows_no_transport: (
        {"runtime/channel.cc": '#include "transports/shm.h"\n'},
        {"runtime/channel.cc": '// #include "transports/shm.h"\n#include "runtime/transport.h"\n'}),
    code_gates.transports_know_the_waist_only: (
        {"transports/shm.cc": '#include <mutex>\n#include "runtime/channel.h"\n'},
        {"transports/shm.cc": '#include "runtime/link.h"\n#include "transports/ring.h"\n',
         "transports/grpc/channel.cc": '#include "runtime/channel.h"\n'}),
    code_gates.grpc_stays_apart: (
        {"runtime/status.cc": "#include <grpcpp/grpcpp.h>\n"},
        {"bench/grpc.cc": "#include <grpcpp/grpcpp.h>\n"}),
    code_gates.no_grpc_package: (
        {"proto/nearcall/health.proto": 'syntax = "proto3";\npackage grpc.health.v1;\n'},
        {"proto/nearcall/health.proto": "package nearcall.grpc;\n"}),
    code_gates.no_timed_waits_on_the_wall_clock: (
        {"transports/bell.cc": "int F() { return sem_timedwait(&bell, &t); }\n"},
        {"transports/bell.cc": "// sem_timedwait would jump with the clock.\n"}),
    code_gates.no_wall_clock: (
        {"runtime/idle.cc": "auto now = std::chrono::system_clock::now();\n"},
        {"runtime/wall_time.h": "auto now = std::chrono::system_clock::now();\n",
         "runtime/call.h": "virtual std::chrono::system_clock::time_point deadline() const = 0;\n",
         "runtime/idle.cc": 'const char* text = "system_clock";\nint x = Time(nullptr);\n'}),
    code_gates.no_fences: (
        {"transports/ring.h": "std::atomic_thread_fence(std::memory_order_seq_cst);\n"},
        {"transports/ring.h": "/* no atomic_thread_fence:\n TSan */ int x = 1'000'000;\n"}),
    code_gates.one_kind_of_lock: (
        {"runtime/pump.h": "std::mutex mutex_;\n"},
        {"runtime/sync.h": "std::mutex mutex_;\n", "runtime/pump.h": "Mutex mutex_;\n"}),
    code_gates.no_lock_outlives_a_fork: (
        {"runtime/pump.cc": "void F() {\n  static Mutex& mu = *new Mutex;\n}\n"},
        {"runtime/pump.cc": "class Pump {\n  Mutex mu_;\n};\nstatic void G(Mutex* mu);\n"}),
    code_gates.public_headers_are_plain: (
        {"runtime/include/nearcall/status.h": "void F(absl::string_view text);\n"},
        {"runtime/include/nearcall/status.h": "#include <nearcall/time.h>\nvoid F(std::string_view t);\n"}),
    code_gates.floor_is_raw: (
        {"bench/floor.c": "int x;\n" * 120},
        {"bench/floor.c": "int x;\n" * 119}),
    code_gates.sources_stay_small: (
        {"runtime/server.cc": "int x;\n" * 500},
        {"runtime/server.cc": "int x;\n" * 499, "tests/codegen/golden/a.h": "int x;\n" * 900}),
    text_gates.snippets_are_the_code: (
        {"README.md": "<!-- snippet: a.cc#one -->\n```cpp\nint y;\n```\n",
         "a.cc": "// docs:begin one\nint x;\n// docs:end one\n"},
        {"README.md": "<!-- snippet: a.cc#one -->\n```cpp\nint x;\n```\n\n<!-- no snippet: a shape -->\n"
                      "```cpp\nf();\n```\n\n```sh\nls\n```\n",
         "a.cc": "{\n  // docs:begin one\n  int x;\n  // docs:end one\n}\n"}),
    text_gates.documented_commands_exist: (
        {"README.md": "```sh\n./scripts/dmeo\n```\n", "scripts/demo": "#!/usr/bin/env bash\n"},
        {"README.md": "```sh\n./scripts/demo --fast  # says hello\n```\n",
         "scripts/demo": "#!/usr/bin/env bash\n"}),
    text_gates.links_lead_somewhere: (
        {"docs/a.md": "see [wire](wire.md)\n"},
        {"docs/a.md": "see [b](b.md#part), [c](../c.md), [web](https://example.org)\n",
         "docs/b.md": "", "c.md": ""}),
    text_gates.scripts_are_sound: (
        {"scripts/demo": "#!/usr/bin/env bash\nif true; then\n"},
        {"scripts/demo": "#!/usr/bin/env bash\nif true; then echo; fi\n", "scripts/transports": "shm\n"}),
}


def plant(directory, files):
    for path, text in files.items():
        file = pathlib.Path(directory, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if text.startswith("#!"):
            os.chmod(file, 0o755)
    return Tree(directory)


class GatesTest(unittest.TestCase):

    def violations(self, gate, files):
        with tempfile.TemporaryDirectory() as directory:
            return list(gate(plant(directory, files)))

    def test_every_gate_is_tested(self):
        self.assertEqual(set(PLANTED), set(gates.GATES))

    def test_planted_violations_are_found(self):
        for gate, (wrong, _) in PLANTED.items():
            with self.subTest(gate.__name__):
                self.assertEqual(len(self.violations(gate, wrong)), 1)

    def test_what_is_allowed_passes(self):
        for gate, (_, right) in PLANTED.items():
            with self.subTest(gate.__name__):
                self.assertEqual(self.violations(gate, right), [])

    def test_unmarked_and_dangling_snippets_are_found(self):
        gate = text_gates.snippets_are_the_code
        for text in ("```cpp\nint x;\n```\n",
                     "<!-- snippet: none.cc -->\n```cpp\nint x;\n```\n",
                     "<!-- snippet: a.cc#two -->\n```cpp\nint x;\n```\n"):
            with self.subTest(text):
                self.assertEqual(len(self.violations(gate, {"README.md": text, "a.cc": "int x;\n"})), 1)

    def test_script_that_is_not_executable_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            plant(directory, {"scripts/test": "#!/usr/bin/env bash\n"})
            os.chmod(pathlib.Path(directory, "scripts/test"), 0o644)
            self.assertEqual(len(list(text_gates.scripts_are_sound(Tree(directory)))), 1)

    def test_wrong_root_is_an_error(self):
        with tempfile.TemporaryDirectory() as directory:
            with self.assertRaises(SystemExit):
                gates.main(directory)


if __name__ == "__main__":
    unittest.main()
