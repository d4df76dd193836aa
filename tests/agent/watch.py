# SPDX-License-Identifier: MIT
"""vmi-agent against simulated guests: what it prints, answers and counts."""
import json
import os
import re
import signal
import socket
import subprocess
import unittest

import agentlib
from agentlib import AGENT, TIMEOUT, Running, run, wait_for
from simhost import RUN, Host

ALL = "guest-request,cr0,cr3:sync,cr4,msr=176,cpuid,int3,desc"


class Watch(unittest.TestCase):
    def host(self, *domains, options=()):
        h = Host(self, *domains, options=options)
        self.options = ["--sim", h.path]
        return h

    def run_agent(self, *args):
        return run(*args, *self.options)

    def start(self, host, *args, **kwargs):
        """An agent in the background, attached."""
        a = Running(host.dir, *args, *self.options, **kwargs)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        if "stdout" not in kwargs:
            a.wait_line(r'^# watching|"type":"start"')
            self.assertIsNone(a.p.poll(), a.err())
        return a

    def check_sums(self, result):
        """The lines per vCPU add up to the totals, and to Xen's counts."""
        lines = result.vcpu_lines()
        for name in ("received", "answered", "lost"):
            self.assertEqual(sum(v[name] for v in lines.values()),
                             result.total(name), name)
        for vcpu, v in lines.items():
            if v["produced"] is None:
                continue
            self.assertEqual(v["raised"], v["answered"], vcpu)
            self.assertEqual(v["produced"],
                             v["received"] - v["answered"] + v["lost"], vcpu)


class Lines(Watch):
    def test_count_in_json(self):
        self.host("name=web,vcpus=2")
        r = self.run_agent("--domid", 1, "-e", "guest-request", "-c", 5, "-o",
                           "json")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(len(r.of_type("event")), 5)
        self.assertEqual(r.total("received"), 5)
        start, = r.of_type("start")
        self.assertEqual((start["domid"], start["name"], start["simulated"],
                          start["vcpus"]), (1, "web", True, 2))
        summary, = r.of_type("summary")
        self.assertEqual(summary["received"], "5")
        for e in r.of_type("event"):
            self.assertEqual(e["reason"], "guest-request")
            self.assertEqual(e["insn"]["text"], "vmcall")
            self.assertTrue(e["sync"])
            for key in ("seq", "time", "rip", "cr3", "tsc"):
                self.assertIsInstance(e[key], str)

    def test_text(self):
        self.host("name=web,vcpus=1")
        r = self.run_agent("--name", "web", "-e", "guest-request", "-c", 3,
                           "-o", "text")
        self.assertEqual(r.code, 0, r.err)
        self.assertRegex(r.out, r"\A# domain 1 \(web\), SIMULATED HOST, abi v2")
        self.assertEqual(len(re.findall(r"^ .* guest-request +sync .*vmcall$",
                                        r.out, re.M)), 3)
        self.assertRegex(r.err, r"^total received=3 answered=3 lost=0 "
                         r"released=0 expired=0 output_drops=0$")

    def test_sequence_has_no_gaps_without_losses(self):
        self.host("vcpus=3,rate=500")
        r = self.run_agent("--domid", 1, "-e", "guest-request", "-c", 60, "-o",
                           "json")
        last = {}
        for e in r.of_type("event"):
            seq = int(e["seq"])
            self.assertEqual(seq, last.get(e["vcpu"], seq - 1) + 1)
            last[e["vcpu"]] = seq

    def test_quiet(self):
        self.host("vcpus=1")
        r = self.run_agent("--domid", 1, "-q", "-c", 3, "-o", "json")
        self.assertEqual([o["type"] for o in r.objects()],
                         ["start", "summary"])

    def test_registers(self):
        self.host("vcpus=1")
        for regs, low, high in (("none", 0, 0), ("core", 24, 28),
                                ("all", 40, 50)):
            r = self.run_agent("--domid", 1, "-e", "guest-request", "--regs",
                               regs, "-c", 1, "-o", "json")
            got = r.of_type("event")[0].get("regs", {})
            self.assertTrue(low <= len(got) <= high, (regs, len(got)))

    def test_duration(self):
        self.host("vcpus=1,rate=0")
        r = self.run_agent("--domid", 1, "-q", "--duration", "0.5")
        self.assertEqual(r.code, 0)
        self.assertGreater(r.total("received"), 0)


class Kinds(Watch):
    """Each kind of event, and that its answer lets the guest get on."""

    def every_kind(self, abi, events, kinds):
        h = self.host("vcpus=2,program=gr+cr0+cr3+cr4+msr+cpuid+int3+desc,"
                      "rate=0,count=20,start=wait")
        a = self.start(h, "--domid", 1, "--abi", abi, "-e", events, "-o",
                       "json", "--per-vcpu")
        h.control(1, RUN)
        wait_for("the guest's end", lambda: h.done(1))
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual({e["reason"] for e in r.of_type("event")}, kinds)
        self.assertEqual(r.total("output_drops"), 0)
        self.assertEqual(len(r.of_type("event")), r.total("received"))
        self.check_sums(r)
        self.assertEqual(h.total(1, "iterations"), 40)
        self.assertEqual(h.total(1, "writes_denied"), 0)
        self.assertEqual(h.total(1, "traps"), 0)    # each INT3 was skipped
        self.assertEqual(h.total(1, "cpuid_native"), 40)
        return h, r

    def test_v2(self):
        _, r = self.every_kind("v2", ALL, {
            "guest-request", "write-ctrlreg", "mov-to-msr", "cpuid",
            "software-breakpoint", "descriptor-access"})
        texts = {e["insn"]["text"] for e in r.of_type("event")}
        for text in ("vmcall", "mov cr3, rax", "wrmsr", "cpuid", "int3",
                     "sgdt [rsp]"):
            self.assertIn(text, texts)

    def test_legacy(self):
        self.every_kind("legacy", ALL, {
            "guest-request", "write-ctrlreg", "mov-to-msr", "cpuid",
            "software-breakpoint", "descriptor-access"})

    def deny(self, abi):
        h = self.host("vcpus=1,program=cr4+msr,rate=0,count=20,start=wait")
        a = self.start(h, "--domid", 1, "--abi", abi, "-e", "cr4,msr=176",
                       "--deny", "cr4,msr", "-o", "json")
        h.control(1, RUN)
        wait_for("the guest's end", lambda: h.done(1))
        r = a.stop()
        self.assertEqual({e["answer"] for e in r.of_type("event")}, {"deny"})
        self.assertEqual(h.total(1, "writes_denied"), 40)
        self.assertEqual(h.total(1, "writes_kept"), 0)

    def test_deny_v2(self):
        self.deny("v2")

    def test_deny_legacy(self):
        self.deny("legacy")

    def test_what_cannot_be_raised_is_an_error(self):
        self.host("vcpus=1")
        r = self.run_agent("--domid", 1, "-e", "guest-request,privcall")
        self.assertEqual(r.code, 10, r.err)
        self.assertRegex(r.err, "privcall:sync: .*")
        # The channel is free again.
        self.assertEqual(self.run_agent("--domid", 1, "-c", 1).code, 0)


class Counts(Watch):
    def every_request(self, abi, vcpus, count):
        h = self.host("vcpus=%d,rate=0,count=%d,start=wait,reply=1" %
                      (vcpus, count))
        a = self.start(h, "--domid", 1, "--abi", abi, "-e", "guest-request",
                       "-q", "--reply", "--per-vcpu", "-o", "json")
        h.control(1, RUN)
        wait_for("the guest's end", lambda: h.done(1), 120)
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.check_sums(r)
        self.assertEqual(r.total("received"), vcpus * count)
        self.assertEqual(r.total("answered"), vcpus * count)
        self.assertEqual(h.total(1, "checked"), vcpus * count)
        self.assertEqual(h.total(1, "mismatched"), 0)
        for c in h.counters(1):
            self.assertEqual(c["iterations"], count)

    def test_requests_v2(self):
        self.every_request("v2", 12, 300)

    def test_requests_legacy(self):
        self.every_request("legacy", 12, 300)

    def test_128_vcpus(self):
        self.every_request("v2", 128, 10)

    def test_losses_are_exact(self):
        h = self.host("vcpus=4,rate=0,start=wait")
        a = self.start(h, "--domid", 1, "-e", "guest-request:async", "--ring",
                       "4K", "--batch-sleep", 100, "--per-vcpu", "-o", "json",
                       "--no-disasm", "--regs", "none")
        h.control(1, RUN)
        wait_for("losses", lambda: any(v["lost"] > 1000
                                       for v in h.info(1)[1]))
        # The slow agent holds nobody up.
        h.progress(1)
        h.stop_guest(1)
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.check_sums(r)
        self.assertGreater(r.total("lost"), 1000)
        self.assertEqual(r.total("answered"), 0)
        told = sum(int(o["count"]) for o in r.of_type("lost"))
        self.assertEqual(told, r.total("lost"))
        iterations = [c["iterations"] for c in h.counters(1)]
        for vcpu, v in r.vcpu_lines().items():
            self.assertEqual(v["produced"], iterations[vcpu])
            self.assertEqual(v["pauses"], 0)

    def test_split_rings(self):
        h = self.host("vcpus=4,rate=0,start=wait,count=5000")
        a = self.start(h, "--domid", 1, "-e", "guest-request:async",
                       "--split-rings", "--ring", "4K", "-q", "--per-vcpu",
                       "-o", "json", "--regs", "none")
        h.control(1, RUN)
        wait_for("the guest's end", lambda: h.done(1))
        r = a.stop()
        self.assertEqual(r.of_type("start")[0]["rings"], 4)
        self.check_sums(r)
        self.assertEqual(r.total("received") + r.total("lost"), 20000)

    def test_statistics_on_signal(self):
        h = self.host("vcpus=1")
        a = self.start(h, "--domid", 1, "--per-vcpu", "-o", "text")
        h.progress(1)
        a.p.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: "total received=" in a.err())
        self.assertIn("vcpu 0 received=", a.err())
        h.progress(1)
        self.assertEqual(a.p.poll(), None)
        a.p.send_signal(signal.SIGTERM)
        self.assertEqual(a.p.wait(TIMEOUT), 0)


class Output(Watch):
    """The reader of the output is nobody whom the guest waits for."""

    def first_line(self, read_byte):
        """The agent is attached; what follows is not read for now."""
        line = b""
        while not line.endswith(b"\n"):
            byte = read_byte()
            self.assertTrue(byte)
            line += byte
        self.assertIn(b'"type":"start"', line)

    def blocked(self, read_byte, writer):
        h = self.host("vcpus=2,rate=0,count=4000,start=wait")
        a = self.start(h, "--domid", 1, "-e", "guest-request", "-o", "json",
                       "--regs", "all", stdout=writer)
        self.first_line(read_byte)
        h.control(1, RUN)
        wait_for("the guest's end, with nobody reading", lambda: h.done(1))
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.total("answered"), 8000)
        self.assertGreater(r.total("output_drops"), 0)
        return r

    def lines(self, read):
        data = b""
        while True:
            try:
                more = read()
            except BlockingIOError:
                break
            if not more:
                break
            data += more
        return [json.loads(line) for line in data.splitlines()]

    def test_full_pipe(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        r = self.blocked(lambda: os.read(reader, 1), writer)
        os.close(writer)
        got = self.lines(lambda: os.read(reader, 65536))
        events = sum(o["type"] == "event" for o in got)
        self.assertGreater(events, 10)
        # Whole lines only; each event was printed or counted as dropped.
        self.assertEqual(events + r.total("output_drops"), 8000)

    def test_full_socket(self):
        reader, writer = socket.socketpair()
        self.addCleanup(reader.close)
        r = self.blocked(lambda: reader.recv(1), writer)
        writer.close()
        got = self.lines(lambda: reader.recv(65536))
        events = sum(o["type"] == "event" for o in got)
        self.assertEqual(events + r.total("output_drops"), 8000)

    def test_reader_goes_away(self):
        h = self.host("vcpus=1")
        p = subprocess.Popen([AGENT, "--domid", "1", "-o", "json",
                              *self.options], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        p.stdout.readline()
        p.stdout.close()
        self.assertEqual(p.wait(TIMEOUT), 0)
        h.progress(1)

    def test_drops_are_told_when_the_reader_comes_back(self):
        h = self.host("vcpus=2,rate=0,count=4000,start=wait")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        a = self.start(h, "--domid", 1, "-e", "guest-request", "-o", "json",
                       "--regs", "all", stdout=writer)
        os.close(writer)
        self.first_line(lambda: os.read(reader, 1))
        h.control(1, RUN)
        wait_for("the guest's end", lambda: h.done(1))
        os.set_blocking(reader, False)
        data = b""

        def read():
            nonlocal data
            try:
                data += os.read(reader, 65536)
            except BlockingIOError:
                pass
            return b'"output_drops"' in data

        wait_for("a line that says that lines are missing", read)
        a.p.send_signal(signal.SIGTERM)
        os.set_blocking(reader, True)
        data += b"".join(iter(lambda: os.read(reader, 65536), b""))
        r = a.wait()
        got = [json.loads(line) for line in data.splitlines()]
        told = sum(int(o["count"]) for o in got
                   if o["type"] == "output_drops")
        self.assertEqual(told, r.total("output_drops"))
        self.assertEqual(told + sum(o["type"] == "event" for o in got), 8000)


if __name__ == "__main__":
    agentlib.main()
