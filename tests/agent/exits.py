# SPDX-License-Identifier: MIT
"""Exit codes and messages of vmi-agent where there is no host to watch."""
import json
import os
import socket
import tempfile
import threading
import unittest

import agentlib
from agentlib import run

NOBODY = 65534


class NoHost(unittest.TestCase):
    def fails(self, code, says, *args, **kwargs):
        r = run(*args, **kwargs)
        self.assertEqual(r.code, code, r.err)
        self.assertRegex(r.err, says)
        for line in r.err.splitlines():
            self.assertRegex(line, "^vmi-agent: ")
        return r

    def test_help_and_version(self):
        r = run("--help")
        self.assertEqual((r.code, r.err), (0, ""))
        for word in ("--domid", "guest-request", "SIGUSR1", "Exit: 0"):
            self.assertIn(word, r.out)
        r = run("--version")
        self.assertEqual((r.code, r.err), (0, ""))
        self.assertRegex(r.out, r"vmi-agent \d+\.\d+\.\d+ \(MIT\)")
        for library in ("libvmi-ring", "json-c", "capstone"):
            self.assertRegex(r.out, library + r" \d")

    def test_usage(self):
        self.fails(2, "expected --domid N")
        self.fails(2, "unknown event", "--domid", 1, "-e", "nothing")
        self.fails(2, "unknown option \"--what\"", "--domid", 1, "--what")

    @unittest.skipIf(os.path.exists("/dev/xen/privcmd"), "this is a Xen host")
    def test_no_xen(self):
        hint = "expected a Xen control domain"
        for args in (["--domid", 1], ["--domid", 1, "--abi", "v2"],
                     ["--domid", 1, "--abi", "legacy"], ["--name", "x"],
                     ["--list"], ["--status", 1], ["--release", 1]):
            self.fails(5, hint, *args)
        r = run("--probe")
        self.assertEqual(r.code, 0)
        self.assertIs(json.loads(r.out)["privcmd"], False)

    def test_no_simulated_host(self):
        for args in (["--domid", 1], ["--list"], ["--status", 1],
                     ["--release", 1]):
            self.fails(5, "no simulated host at /nonexistent/socket", *args,
                       "--sim", "/nonexistent/socket")

    def test_default_socket_comes_from_the_environment(self):
        env = dict(os.environ, VMI_SIM_SOCKET="/nonexistent/other")
        self.fails(5, "/nonexistent/other", "--domid", 1, "--sim", env=env)


class BadHost(unittest.TestCase):
    """A socket at which somebody else listens."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        os.chmod(self.dir.name, 0o755)
        self.path = os.path.join(self.dir.name, "socket")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.path)
        self.socket.listen()

    def serve(self, reply):
        def loop():
            while True:
                try:
                    connection, _ = self.socket.accept()
                except OSError:
                    return
                with connection:
                    request = connection.recv(65536)
                    if request and reply:
                        connection.send(reply)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()

    def fails(self):
        for args in (["--domid", 1], ["--list"], ["--status", 1]):
            r = run(*args, "--sim", self.path)
            self.assertNotIn(r.code, (0, 2), r.err)
            self.assertGreater(r.code, 0, "ended by a signal: " + r.err)
            self.assertRegex(r.err, "^vmi-agent: ")

    def test_closes_the_connection(self):
        self.serve(b"")
        self.fails()

    def test_answers_nonsense(self):
        self.serve(b"\xff" * 64)
        self.fails()

    def test_answers_too_little(self):
        self.serve(b"x")
        self.fails()

    def test_no_permission(self):
        os.chmod(self.path, 0)
        # Root may connect all the same, anybody else may not.
        other = dict(user=NOBODY, group=NOBODY, extra_groups=[]) \
            if os.geteuid() == 0 else {}
        r = run("--domid", 1, "--sim", self.path, **other)
        self.assertEqual(r.code, 4, r.err)
        self.assertIn("expected access to /dev/xen/privcmd", r.err)


if __name__ == "__main__":
    agentlib.main()
