"""One pair of programs, another configuration each time: python3 swap_test.py
HELLO TRANSPORTS, with the directory of the greeter's programs and
scripts/transports. The reply says over what the server was called."""

import json
import os
import pathlib
import re
import socket
import shlex
import subprocess
import sys
import tempfile
import unittest

HELLO = TRANSPORTS = None
SECONDS = 30
# What peer() begins with where it is not the transport's name: as gRPC has it.
PEERS = {"tcp": "ipv4"}


def transports():
    for line in TRANSPORTS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, server, client, processes = line.split()[:4]
            yield name, server, server if client == "-" else client, processes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class SwapTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.environment = dict(os.environ, NEARCALL_RUNTIME_DIR=directory.name)
        for name in ("NEARCALL_CONFIG", "NEARCALL_TARGETS"):
            self.environment.pop(name, None)

    def configured(self, uri):
        """The environment in which greeter stands for `uri`."""
        path = self.directory / "config.json"
        path.write_text(json.dumps({"targets": {"greeter": {"uri": uri}}}))
        return dict(self.environment, NEARCALL_CONFIG=str(path))

    def serve(self, environment):
        server = subprocess.Popen([HELLO / "greeter_server", "greeter"], env=environment, text=True,
                                  stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.assertIn("serving on greeter", server.stdout.readline())

    def call(self, program, environment):
        return subprocess.run([HELLO / program, "greeter", "World"], env=environment, text=True,
                              capture_output=True, timeout=SECONDS, check=False)

    def test_every_transport(self):
        seen, port = [], free_port()
        for name, server, client, processes in transports():
            with self.subTest(name):
                server, client = (t.replace("TAG", f"swap-{os.getpid()}").replace("PORT", port)
                                  for t in (server, client))
                program = "greeter_inproc" if processes == "one" else "greeter_client"
                if processes == "child":  # Of the same configuration, which it inherits.
                    client += shlex.join([str(HELLO / "greeter_server"), "greeter"])
                if processes == "two":
                    self.serve(self.configured(server))
                result = self.call(program, self.configured(client))
                self.assertEqual(result.returncode, 0, result.stderr)
                reported = re.search(r"sees this client as ([\w-]+)", result.stdout)
                self.assertEqual(reported.group(1), PEERS.get(name, name), result.stdout)
                seen.append(name)
        self.assertGreaterEqual(len(seen), 4)

    def test_the_environment_overrides_the_file(self):
        environment = dict(self.configured("shm:nobody"), NEARCALL_TARGETS="greeter=unix:override")
        self.serve(environment)
        result = self.call("greeter_client", environment)
        self.assertIn("sees this client as unix", result.stdout)

    def test_no_other_transport_is_tried(self):
        self.serve(self.configured("unix:greeter"))
        result = self.call("greeter_client", self.configured("shm:elsewhere"))
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("no server at", result.stderr)

    def test_a_mistake_reaches_both_sides(self):
        environment = self.configured("unix:greeter?ring_byte=1")
        for command in (["greeter_server", "greeter"], ["greeter_client", "greeter", "World"]):
            result = subprocess.run([HELLO / command[0], *command[1:]], env=environment, text=True,
                                    capture_output=True, timeout=SECONDS, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("config.json: targets.greeter: ", result.stderr)
            self.assertIn("option 'ring_byte' does not exist", result.stderr)


if __name__ == "__main__":
    TRANSPORTS, HELLO = pathlib.Path(sys.argv.pop()), pathlib.Path(sys.argv.pop())
    unittest.main()
