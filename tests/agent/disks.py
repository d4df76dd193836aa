# SPDX-License-Identifier: MIT
"""A disk that hangs: pipes that nobody reads stand in for vmi-agent's files.

The guest goes on, what is not written is counted, and the agent ends when it is
asked to.
"""
import json
import os
import re
import signal
import threading
import unittest

import agentlib
from agentlib import Running, wait_for
from simhost import Host

HEADER = 24                 # of a pcap file; each packet has 16 more


class Hanging(unittest.TestCase):
    def host(self, domain="vcpus=2,rate=0"):
        h = Host(self, domain)
        os.chmod(h.dir, 0o777)
        return h

    def pipe(self, h, name):
        """Its path, and a descriptor to read from it with."""
        path = os.path.join(h.dir, name)
        os.mkfifo(path)
        os.chmod(path, 0o666)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, fd)
        return path, fd

    def start(self, h, *args):
        a = Running(h.dir, "--sim", h.path, "--domid", 1, "-e",
                    "guest-request", *args)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        # Before that, a signal would end it.
        wait_for("the agent", lambda: h.state(1) == h.ARMED)
        return a

    def counts(self, agent):
        """What SIGUSR1 prints: {name: number}."""
        lines = lambda: re.findall(r"(?m)^counts .*\ntotal .*\n", agent.err())
        seen = len(lines())
        agent.p.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: len(lines()) > seen)
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)",
                                                 lines()[-1])}

    def goes_on(self, h):
        """Many more requests than all queues of the agent hold batches."""
        before = h.total(1, "iterations")
        wait_for("the guest", lambda: h.total(1, "iterations") > before + 3000)

    def reader(self, fd):
        """Reads all there is from now on; call the result for it."""
        os.set_blocking(fd, True)
        got = []

        def read():
            while data := os.read(fd, 1 << 16):
                got.append(data)

        thread = threading.Thread(target=read)
        thread.start()
        return lambda: (thread.join(), b"".join(got))[1]

    def end(self, a):
        a.p.send_signal(signal.SIGTERM)
        r = a.wait()
        self.assertEqual(r.code, 0, r.err)
        r.err = re.search(r"total .*\n\Z", r.err).group()
        return r

    # ---- --output-file ----

    def log(self, h):
        path, fd = self.pipe(h, "log")
        a = self.start(h, "-o", "json", "--output-file", path)
        wait_for("drops", lambda: self.counts(a)["output_drops"] > 0)
        self.goes_on(h)
        return a, fd

    def test_log_that_comes_back(self):
        h = self.host()
        a, fd = self.log(h)
        text = self.reader(fd)
        r = self.end(a)
        told = [json.loads(line) for line in text().decode().splitlines()]
        printed = sum(o["type"] == "event" for o in told)
        self.assertGreater(printed, 1000)
        self.assertEqual(r.total("output_drops"),
                         r.total("received") - printed)
        self.assertGreater(sum(int(o["count"]) for o in told
                               if o["type"] == "output_drops"), 0)

    def test_log_that_hangs_for_ever(self):
        h = self.host()
        a, _ = self.log(h)
        self.assertGreater(self.end(a).total("output_drops"), 0)
        self.assertEqual(h.info(1)[0], 0)
        h.progress(1)

    # ---- -w ----

    def capture(self, h):
        path, fd = self.pipe(h, "pcap")
        a = self.start(h, "-q", "-o", "text", "-w", path)
        wait_for("drops", lambda: self.counts(a)["capture_drops"] > 0)
        self.goes_on(h)
        return a, fd

    def test_capture_that_comes_back(self):
        h = self.host()
        a, fd = self.capture(h)
        data = self.reader(fd)
        # There is room again before the end, so that all that is left fits.
        dropped = self.counts(a)["capture_drops"]
        before = self.counts(a)["captured"]
        wait_for("the file", lambda: self.counts(a)["captured"] > before)
        h.stop_guest(1)
        counts = self.counts(a)
        self.end(a)
        data, at, packets = data(), HEADER, 0
        while at < len(data):
            at += 16 + int.from_bytes(data[at + 8:at + 12], "little")
            packets += 1
        self.assertEqual(at, len(data), "the last packet is whole")
        # The first one says what the capture is of.
        self.assertGreaterEqual(packets - 1, before)
        self.assertLessEqual(packets - 1,
                             counts["received"] - counts["capture_drops"])
        self.assertGreaterEqual(counts["capture_drops"], dropped)

    def test_capture_that_hangs_for_ever(self):
        h = self.host()
        a, _ = self.capture(h)
        self.end(a)
        self.assertEqual(h.info(1)[0], 0)
        h.progress(1)

    # ---- --metrics ----

    def test_metrics(self):
        h = self.host()
        # What it writes before it renames; opening it waits for a reader.
        os.mkfifo(os.path.join(h.dir, ".m.prom.new"))
        os.chmod(os.path.join(h.dir, ".m.prom.new"), 0o666)
        a = self.start(h, "-q", "-o", "json", "--stats-interval", 1,
                       "--metrics", os.path.join(h.dir, "m.prom"))
        wait_for("intervals", lambda: a.out().count('"type":"stats"') > 2)
        self.goes_on(h)
        self.end(a)
        self.assertFalse(os.path.exists(os.path.join(h.dir, "m.prom")))
        self.assertEqual(h.info(1)[0], 0)


if __name__ == "__main__":
    agentlib.main()
