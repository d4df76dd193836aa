# SPDX-License-Identifier: MIT
"""The examples run, and their numbers are right."""
import os
import re
import signal
import subprocess
import unittest

import agentlib
from agentlib import TIMEOUT, wait_for
from simhost import Host

EXAMPLES = os.environ["EXAMPLES"]
DATA_GFN = 0x180    # what the program word mem writes to
CODE_GFN = 0x100    # where the program lies


class Examples(unittest.TestCase):
    def start(self, name, *args):
        p = subprocess.Popen([os.path.join(EXAMPLES, name), *map(str, args)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True)
        self.addCleanup(lambda: (p.kill(), p.communicate()))
        return p

    def end(self, p):
        out, _ = p.communicate(timeout=TIMEOUT)
        self.assertEqual(p.returncode, 0, out)
        return out

    def after(self, host, name, number):
        """Once Xen has counted so many, the guest is told to stop."""
        wait_for("events", lambda: host.info(1)[1][0][name] > number)
        host.stop_guest(1)
        return sum(v[name] for v in host.info(1)[1])

    def test_cr3_trace(self):
        h = Host(self, "vcpus=2,program=cr3,rate=500")
        p = self.start("cr3-trace", 1, h.path)
        made = self.after(h, "produced", 20)
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        lines = re.findall(r"^ *\d+\.\d{9} +\d+ 0x\w{16} 0x\w{16}$", out, re.M)
        self.assertEqual(len(lines), made)
        self.assertRegex(out, r"received %d, lost 0" % made)

    def test_guest_request_counter(self):
        h = Host(self, "vcpus=4,rate=0")
        out = self.end(self.start("guest-request-counter", 1, 1, h.path))
        self.assertEqual(len(re.findall(r"^ +\d+ +\d+ +\d+ +\d+$", out,
                                        re.M)), 4)
        self.assertNotIn("wrong", out)

    def test_null_agent(self):
        h = Host(self, "vcpus=2,rate=0")
        out = self.end(self.start("null-agent", 1, 2000, h.path))
        self.assertIn("simulated host: this is no measurement of Xen", out)
        self.assertRegex(out, r"(?m)^ +2000 +\d+ +\d+ +\d+ +\d+ +\d+$")
        h.progress(1)

    def test_vcpu_workers(self):
        h = Host(self, "vcpus=6,rate=0")
        p = self.start("vcpu-workers", 1, 3, h.path)
        h.progress(1)
        status, = agentlib.run("--sim", h.path, "--status", 1, "-o",
                               "json").objects()
        self.assertEqual((status["slot_ports"], status["slot_ports_bound"]),
                         (6, 6))
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        answered = dict(re.findall(r"(?m)^(\w+ ?\d*): answered=(\d+)$", out))
        self.assertEqual(set(answered), {"main", "worker 0", "worker 2",
                                         "worker 4"}, out)
        counts = re.search(r"xen: raised=(\d+) answered=(\d+) bad=0", out)
        # The last kick of each vCPU may still be under way.
        self.assertIn(sum(map(int, answered.values())) - int(counts[2]),
                      range(7), out)
        self.assertGreater(int(counts[2]), 0)

    def test_monitor(self):
        h = Host(self, "vcpus=1,program=cr4+int3,rate=500")
        p = self.start("monitor-v2", 1, h.path)
        wait_for("events", lambda: h.info(1)[1][0]["raised"] > 0)
        before = h.total(1, "traps")
        made = self.after(h, "raised", 20)
        p.send_signal(signal.SIGINT)
        out = self.end(p)
        self.assertEqual(len(re.findall(r"^vcpu 0 (?:cr4|int3)", out, re.M)),
                         made)
        # Each INT3 was skipped from when it was watched.
        self.assertLessEqual(h.total(1, "traps"), before + 1)
        self.assertEqual(h.total(1, "writes_denied"), 0)

    def test_upgrade(self):
        h = Host(self, "vcpus=4,rate=0")
        p = self.start("upgrade", 1, h.path)
        p.stdout.readline()      # the heading
        self.assertRegex(p.stdout.readline(), r"^ +0 +0$")
        for n in range(1, 6):
            h.progress(1)
            p.send_signal(signal.SIGHUP)
            self.assertRegex(p.stdout.readline(), r"^ +%d +[1-9]\d*$" % n)
        h.progress(1)
        made = self.after(h, "raised", 20)
        self.assertEqual(sum(v["answered"] for v in h.info(1)[1]), made)
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        self.assertRegex(out, r"(?m)^ +5 +%d$" % made)

    def test_msr_guard(self):
        h = Host(self, "vcpus=2,program=msr,rate=500")
        p = self.start("msr-guard", 1, "176", h.path)
        wait_for("a denied write", lambda: h.total(1, "writes_denied") > 20)
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        refused = len(re.findall(r"^ +\d+( 0x\w{16}){3}$", out, re.M))
        self.assertRegex(out, r"denied %d\n" % refused)
        h.stop_guest(1)
        self.assertEqual(h.total(1, "writes_denied"), refused)

    def test_access_watch(self):
        h = Host(self, "vcpus=1,program=mem,rate=500")
        able, = agentlib.run("--sim", h.path, "--probe", "--domid",
                             1).of_type("probe")
        p = self.start("access-watch", 1, "%x" % DATA_GFN, "1", h.path)
        if not able["events"]["mem"]["sync"]:
            # A host that cannot says so, and the guest goes on.
            out, _ = p.communicate(timeout=TIMEOUT)
            self.assertEqual(p.returncode, 1)
            self.assertIn("set_access", out)
            h.progress(1)
            return
        wait_for("events", lambda: h.info(1)[1][0]["raised"] > 10)
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        self.assertGreater(len(re.findall(
            r"^ +0 0x\w{16} 0x%08x 0x\w{3} .w.$" % DATA_GFN, out, re.M)), 10)
        h.progress(1)

    def watched(self, out):
        """[(vCPU, instruction)] of what watch-exec printed."""
        return [(int(v), insn) for v, insn in re.findall(
            r"(?m)^ *(\d+) 0x\w{16} 0x%08x ; \w+ (.*)$" % CODE_GFN, out)]

    def test_watch_exec(self):
        h = Host(self, "vcpus=2,program=gr+cr3+cpuid,rate=500")
        p = self.start("watch-exec", 1, "%x" % CODE_GFN, h.path)
        wait_for("events", lambda: h.info(1)[1][0]["raised"] > 10)
        h.progress(1)       # what was watched was also carried out
        p.send_signal(signal.SIGTERM)
        out = self.end(p)
        seen = self.watched(out)
        self.assertGreater(len(seen), 10)
        self.assertIn("seen %d, disassembled %d\n" % (len(seen), len(seen)),
                      out)
        for v in 0, 1:
            # One iteration after the other, no instruction left out.
            text = [insn.split()[0] for vcpu, insn in seen if vcpu == v]
            order = ["vmcall", "mov", "cpuid"]
            first = order.index(text[0])
            self.assertEqual(text, [order[(first + i) % 3]
                                    for i in range(len(text))])
        self.assertIn(" cr3=10000 ", out.replace("\n", " "))
        h.progress(1)

    def test_watch_exec_replays(self):
        """What it prints of a capture is what the agent saw."""
        h = Host(self, "vcpus=2,program=gr+cr3+mem,rate=0")
        f = os.path.join(h.dir, "a.pcap")
        r = agentlib.run("--sim", h.path, "--domid", 1, "-c", 300, "-q", "-w",
                         f, "-e", "mem=%x/rw,guest-request" % CODE_GFN)
        self.assertEqual(r.code, 0, r.err)
        want = [(e["vcpu"], e["insn"]["text"]) for e in
                agentlib.run("-r", f, "-o", "json").of_type("event")
                if e["reason"] == "mem-access"]
        self.assertGreater(len(want), 50)
        out = self.end(self.start("watch-exec", 0, "1-3,%x" % CODE_GFN, f))
        self.assertEqual(self.watched(out), want)
        self.assertIn("seen %d, disassembled %d\n" % (len(want), len(want)),
                      out)
        # Other pages than those that are named do not count.
        out = self.end(self.start("watch-exec", 0, "%x" % DATA_GFN, f))
        self.assertIn("seen 0, disassembled 0\n", out)
        for wrong in "", "x", "100-", "1,,2", "1;2", "0-ffffff":
            self.assertEqual(self.start("watch-exec", 0, wrong, f)
                             .wait(TIMEOUT), 2, wrong)

    def test_from_a_capture(self):
        """Every example that takes one, on a file instead of a guest."""
        h = Host(self, "name=web,vcpus=2,program=gr+cr3+cr4+msr+int3,rate=0")
        f = os.path.join(h.dir, "a.pcap")
        r = agentlib.run("--sim", h.path, "--domid", 1, "-c", 500, "-q", "-e",
                         "guest-request,cr3,cr4,msr=176,int3", "-w", f)
        self.assertEqual(r.code, 0, r.err)
        events = agentlib.run("-r", f, "-o", "json").of_type("event")
        has = lambda key, value: sum(
            value in (e["reason"], e.get("payload", {}).get(key))
            for e in events)
        for args, pattern, number in (
                (["cr3-trace", 0, f], r"(?m)^ *\d+\.\d{9} ",
                 has("register", "cr3")),
                (["monitor-v2", 0, f], r"(?m)^vcpu \d (?:cr4|int3)",
                 has("register", "cr4") + has("", "software-breakpoint")),
                (["msr-guard", 0, "176", f], r"(?m)^ +\d( 0x\w{16}){3}$",
                 sum(e["reason"] == "mov-to-msr" and
                     e["payload"]["old"] != e["payload"]["new"]
                     for e in events))):
            out = self.end(self.start(*args))
            self.assertEqual(len(re.findall(pattern, out)), number, args)
            self.assertGreater(number, 0, args)
        requests = has("", "guest-request")
        out = self.end(self.start("guest-request-counter", 0, 60, f))
        self.assertEqual(sum(map(int, re.findall(
            r"(?m)^ +\d+ +(\d+) +0 +-$", out))), requests)
        out = self.end(self.start("null-agent", 0, 10000, f))
        self.assertRegex(out, r"(?m)^ *\d+ +\d+ ")
        out = self.end(self.start("replay", f))
        self.assertIn("domain 1 (web) of ", out)
        self.assertRegex(out, r"guest-request +%d +0\n" % requests)
        self.assertIn("with instruction 500\n", out)

    def test_no_host(self):
        for args in (["cr3-trace", 1], ["monitor-v2", 1],
                     ["guest-request-counter", 1, 1], ["null-agent", 1, 1],
                     ["msr-guard", 1, 176], ["upgrade", 1],
                     ["vcpu-workers", 1, 2],
                     ["access-watch", 1, 1, 1], ["watch-exec", 1, 1]):
            p = self.start(*args, "/nonexistent")
            out, _ = p.communicate(timeout=TIMEOUT)
            self.assertEqual(p.returncode, 1, out)
            self.assertIn("no simulated host at /nonexistent", out)
            self.assertEqual(self.start(args[0]).wait(TIMEOUT), 2)


if __name__ == "__main__":
    agentlib.main()
