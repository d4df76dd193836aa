# SPDX-License-Identifier: MIT
"""Running vmi-agent as a process: what all tests of it share."""
import json
import os
import re
import select
import signal
import subprocess
import time
import unittest

AGENT = os.environ["VMI_AGENT"]
TIMEOUT = 30


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def objects(self):
        """Every line of the output as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of_type(self, kind):
        return [o for o in self.objects() if o["type"] == kind]

    def total(self, name):
        return self._count(r"^total .*\b%s=(\d+)" % name)

    def _count(self, pattern):
        found = re.findall(pattern, self.err, re.M)
        if len(found) != 1:
            raise AssertionError("not one total line: %r" % self.err)
        return int(found[0])

    def vcpu_lines(self):
        """{vcpu: {name: number or None}} of the last lines."""
        lines = {}
        for line in re.findall(r"^vcpu .*$", self.err, re.M):
            words = line.split()
            lines[int(words[1])] = {
                k: None if v == "-" else int(v)
                for k, v in (w.split("=") for w in words[2:])}
        return lines


def run(*args, **kwargs):
    """To its end."""
    p = subprocess.run([AGENT, *map(str, args)], capture_output=True,
                       text=True, timeout=TIMEOUT, **kwargs)
    return Result(p.returncode, p.stdout, p.stderr)


def wait_for(what, condition, timeout=TIMEOUT):
    """Polls a condition that nothing announces."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("timed out waiting for " + what)
        select.select([], [], [], 0.02)


class Running:
    """An agent in the background, its output in files."""

    def __init__(self, directory, *args, stdout=None, **kwargs):
        self.out_path = os.path.join(directory, "out")
        self.err_path = os.path.join(directory, "err")
        with open(self.err_path, "w") as err:
            with open(self.out_path, "w") as out:
                self.p = subprocess.Popen([AGENT, *map(str, args)],
                                          stdout=stdout or out, stderr=err,
                                          **kwargs)

    def out(self):
        with open(self.out_path) as f:
            return f.read()

    def err(self):
        with open(self.err_path) as f:
            return f.read()

    def wait_line(self, pattern):
        return wait_for(pattern, lambda: re.search(pattern, self.out(), re.M)
                        or self.p.poll() is not None)

    def stop(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        return self.wait()

    def wait(self):
        code = self.p.wait(TIMEOUT)
        return Result(code, self.out(), self.err())


def main():
    unittest.main(verbosity=2)
