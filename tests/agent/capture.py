# SPDX-License-Identifier: MIT
"""vmi-agent's files: captures and their replay, filters, rules, statistics."""
import glob
import json
import os
import re
import signal
import socket
import stat
import struct
import unittest

import agentlib
from agentlib import Running, run, wait_for
from simhost import Host

ALL = "guest-request,cr0,cr3,cr4,msr=176,cpuid"


def lines(text, *kinds):
    """JSON lines of these kinds, without what a replay cannot repeat."""
    result = []
    for line in text.splitlines():
        o = json.loads(line)
        if o["type"] in kinds:
            live = o.pop("live")
            assert "pid" in live, line
            result.append(re.sub(r',"live":\{[^}]*\}\}$', "}", line))
    return result


DATA = os.path.join(os.path.dirname(os.path.realpath(__file__)), "data")
COMPARED = ("start", "event", "lost", "domain", "guard")


class Files(unittest.TestCase):
    def host(self, *domains):
        h = Host(self, *domains)
        os.chmod(h.dir, 0o777)
        self.options = ["--sim", h.path, "--domid", 1]
        return h

    def path(self, host, name):
        return os.path.join(host.dir, name)

    def agent(self, *args):
        r = run(*args, *self.options)
        self.assertEqual(r.code, 0, r.err)
        return r

    def start(self, host, *args):
        a = Running(host.dir, *args, *self.options)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        return a

    def replay(self, *args):
        r = run(*args)
        self.assertEqual(r.code, 0, r.err)
        return r


class Replay(Files):
    def same(self, abi, regs):
        h = self.host("name=web,vcpus=2,rate=0,"
                      "program=gr+cr0+cr3+cr4+msr+cpuid")
        f = self.path(h, "a.pcap")
        live = self.agent("-e", ALL, "-c", 300, "-o", "json", "-w", f, "--abi",
                          abi, "--regs", regs, "--deny", "cr4", "--guard",
                          "default")
        again = self.replay("-r", f, "-o", "json", "--guard", "default")
        first = lines(live.out, *COMPARED)
        self.assertGreater(len([x for x in first if '"event"' in x]), 299)
        self.assertEqual(first, lines(again.out, *COMPARED))
        self.assertIn('"answer":"deny"', again.out)
        self.assertEqual(again.total("received"), 300)
        # And once more, through a capture of the replay.
        g = self.path(h, "b.pcap")
        self.replay("-r", f, "-q", "-w", g)
        self.assertEqual(first, lines(self.replay(
            "-r", g, "-o", "json", "--guard", "default").out, *COMPARED))

    def test_v2(self):
        self.same("v2", "core")

    def test_v2_all(self):
        self.same("v2", "all")

    def test_legacy(self):
        self.same("legacy", "core")

    def test_losses_and_text(self):
        h = self.host("vcpus=2,rate=0,program=cr3")
        f = self.path(h, "a.pcap")
        live = self.agent("-e", "cr3", "--ring", "4K", "--batch", 4,
                          "--batch-sleep", 50, "-c", 400, "-o", "text", "-w", f)
        self.assertGreater(live.total("lost"), 0)
        again = self.replay("-r", f, "-o", "text")
        self.assertEqual(live.out, again.out)
        self.assertIn("lost", again.out)

    def test_captures_of_a_real_guest(self):
        for abi in ("v2", "legacy"):
            f = os.path.join(DATA, "xen-" + abi)
            r = self.replay("-r", f + ".pcap", "-o", "json", "--guard",
                            "default")
            with open(f + ".json") as text:
                self.assertEqual(lines(r.out, *COMPARED),
                                 text.read().splitlines())

    def test_subscriptions(self):
        h = self.host("vcpus=1,rate=0,program=gr+cr3+cpuid")
        f = self.path(h, "a.pcap")
        self.agent("-e", "guest-request,cr3,cpuid", "-c", 60, "-q", "-w", f)
        r = self.replay("-r", f, "-e", "cpuid", "-o", "json")
        self.assertEqual({e["reason"] for e in r.of_type("event")}, {"cpuid"})
        self.assertEqual(r.of_type("start")[0]["events"], "cpuid:sync")

    def test_what_is_no_capture(self):
        h = self.host("vcpus=1")
        f = self.path(h, "a.pcap")
        with open(f, "wb") as out:
            out.write(b"no capture at all, but long enough to look at")
        r = run("-r", f)
        self.assertEqual(r.code, 1, r.err)
        self.assertIn("unknown file format", r.err)
        self.assertEqual(run("-r", self.path(h, "none")).code, 3)
        self.assertEqual(run("-r", f, "--sim", h.path).code, 2)

    def test_a_capture_that_was_cut(self):
        h = self.host("vcpus=1,rate=0")
        f = self.path(h, "a.pcap")
        self.agent("-e", "guest-request", "-c", 50, "-q", "-w", f)
        os.truncate(f, os.path.getsize(f) - 7)
        r = run("-r", f, "-o", "json")
        self.assertEqual(r.code, 1)
        self.assertIn("truncated", r.err)
        self.assertEqual(r.total("received"), 49)

    def test_pcap_as_documented(self):
        h = self.host("vcpus=1,rate=0,program=cr3")
        f = self.path(h, "a.pcap")
        self.agent("-e", "cr3", "-c", 5, "-q", "-w", f)
        with open(f, "rb") as data:
            data = data.read()
        magic, linktype = struct.unpack("<I16xI", data[:24])
        self.assertEqual((magic, linktype), (0xa1b23c4d, 147))
        at, seen = 24, 0
        while at < len(data):
            size, = struct.unpack_from("<8xI", data, at)
            p = data[at + 16:at + 16 + size]
            at += 16 + size
            magic, version, kind, header, reason, domid, vcpu, index = \
                struct.unpack_from(">IBxBxHH4xII2xH", p)
            self.assertEqual((magic, version, header, domid),
                             (0x564d4952, 1, 72, 1))
            if kind == 2:
                seen += 1
                self.assertEqual((reason, vcpu, index), (4, 0, 1))
        self.assertEqual(seen, 5)


class Options(Files):
    def test_mask(self):
        """The guest toggles CR0.WP: with that bit masked there is no event."""
        self.host("vcpus=1,rate=0,program=gr+cr0")
        for abi in ("v2", "legacy"):
            for more, cr0 in (("", True), (":mask=10000", False),
                              (":mask=20000", True)):
                r = self.agent("-e", "guest-request,cr0" + more, "-o", "json",
                               "-c", 20, "--abi", abi)
                self.assertEqual("write-ctrlreg" in {
                    e["reason"] for e in r.of_type("event")}, cr0, (abi, more))


class Busy(Files):
    def test_a_guest_that_never_rests(self):
        """There is always something to receive, and all is captured."""
        h = self.host("vcpus=4,program=gr+cr3,rate=0")
        f = self.path(h, "a.pcap")
        r = self.agent("-e", "guest-request,cr3", "-q", "-o", "json", "-w", f,
                       "--batch", 256, "-c", 30000)
        summary, = r.of_type("summary")
        self.assertEqual((summary["captured"], summary["capture_drops"]),
                         ("30000", "0"))


class Rotation(Files):
    def test_size(self):
        h = self.host("vcpus=2,rate=0")
        f = self.path(h, "a.pcap")
        r = self.agent("-e", "guest-request", "-c", 600, "-q", "-w", f,
                       "--rotate", "64K:50")
        files = glob.glob(f + "*")
        self.assertGreater(len(files), 2)
        self.assertEqual(sum(self.replay("-r", x, "-q").total("received")
                             for x in files), r.total("received"))

    def test_keep(self):
        h = self.host("vcpus=2,rate=0")
        f = self.path(h, "a.pcap")
        self.agent("-e", "guest-request", "-c", 900, "-q", "-w", f,
                   "--rotate", "64K:2")
        self.assertEqual(sorted(glob.glob(f + "*")),
                         [f, f + ".1", f + ".2"])

    def test_hangup(self):
        h = self.host("vcpus=1,rate=200")
        f, log = self.path(h, "a.pcap"), self.path(h, "a.json")
        a = self.start(h, "-e", "guest-request", "-o", "json", "-w", f,
                       "--output-file", log)
        wait_for("events", lambda: os.path.exists(log) and
                 os.path.getsize(log) > 5000)
        os.rename(log, log + ".old")
        os.rename(f, f + ".old")
        a.p.send_signal(signal.SIGHUP)
        wait_for("the new files", lambda: os.path.exists(log) and
                 os.path.getsize(log) > 5000 and os.path.exists(f))
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.out, "")
        numbers = []
        for name in (log + ".old", log):
            with open(name) as text:
                numbers += [int(json.loads(x)["live"].get("line", 0))
                            for x in text]
        numbers = [n for n in numbers if n]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(sum(self.replay("-r", x, "-q").total("received")
                             for x in (f, f + ".old")), r.total("received"))

    def test_hangup_without_a_rename(self):
        """The file that root made is opened again by whom the agent became."""
        h = self.host("vcpus=1,rate=200")
        log = self.path(h, "a.json")
        a = self.start(h, "-e", "guest-request", "-o", "json",
                       "--output-file", log)
        size = lambda: os.path.exists(log) and os.path.getsize(log)
        wait_for("events", lambda: size() > 5000)
        a.p.send_signal(signal.SIGHUP)
        before = size()
        wait_for("more events", lambda: size() > before + 20000)
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertNotIn("cannot be opened", r.err)

    def test_capture_is_not_overwritten(self):
        """A restart keeps what the agent that crashed had written."""
        h = self.host("vcpus=1,rate=200")
        f = self.path(h, "a.pcap")
        totals = [self.agent("-e", "guest-request", "-c", n, "-q", "-w", f)
                  .total("received") for n in (7, 11)]
        self.assertEqual([self.replay("-r", x, "-q").total("received")
                          for x in (f + ".1", f)], totals)

    def test_hangup_without_files_ends(self):
        h = self.host("vcpus=1")
        a = self.start(h, "-o", "json")
        a.wait_line('"type":"start"')
        self.assertEqual(a.stop(signal.SIGHUP).code, 0)

    def test_folder_that_is_not_ours(self):
        h = self.host("vcpus=1")
        os.chmod(h.dir, 0o755)
        f = self.path(h, "a.pcap")
        r = run("-w", f, "--rotate", "64K", *self.options)
        self.assertEqual(r.code, 11, r.err)
        self.assertIn("no file can be made in that folder", r.err)
        r = run("-w", f, "-q", "-c", 1, *self.options)
        self.assertEqual(r.code, 0, r.err)
        self.assertIn("SIGHUP will not", r.err)


class Filter(Files):
    def events(self, f, expression):
        r = self.replay("-r", f, "-o", "json", "--filter", expression)
        return r.of_type("event"), r

    def test_filter(self):
        h = self.host("vcpus=2,rate=0,program=gr+cr0+cr3+cpuid")
        f = self.path(h, "a.pcap")
        self.agent("-e", "guest-request,cr0,cr3,cpuid", "-c", 200, "-q", "-w",
                   f)
        everything = self.replay("-r", f, "-o", "json").of_type("event")
        for expression, wanted in (
                ("event = cpuid", lambda e: e["reason"] == "cpuid"),
                ("event = write-ctrlreg and reg = CR3 and vcpu = 1",
                 lambda e: e["vcpu"] == 1 and
                 e.get("payload", {}).get("register") == "cr3"),
                ("not sync", lambda e: not e["sync"]),
                ("(async or event = guest-request) && seq > 20",
                 lambda e: (not e["sync"] or e["reason"] == "guest-request")
                 and int(e["seq"]) > 20),
                ("rip >= 0xffffffff80100003",
                 lambda e: int(e["rip"], 16) >= 0xffffffff80100003),
                ("cr3 != 0x10000", lambda e: e["cr3"] != "0x10000"),
                ("leaf & 0xff = 0x00 and event = cpuid",
                 lambda e: e["reason"] == "cpuid" and
                 not int(e["payload"]["leaf"], 16) & 0xff)):
            expected = [e for e in everything if wanted(e)]
            got, r = self.events(f, expression)
            for e in expected + got:
                e.pop("live", None)
            self.assertEqual(got, expected, expression)
            self.assertTrue(expected, expression)
            summary, = r.of_type("summary")
            self.assertEqual(int(summary["filtered"]),
                             len(everything) - len(expected))

    def test_bad(self):
        for expression in ("host example.org", "vcpu", "vcpu =", "reg = CR9",
                           "(vcpu = 1", "vcpu = 99999999999", "port 80", "'"):
            r = run("--domid", 1, "--filter", expression)
            self.assertEqual(r.code, 2, expression)
            self.assertIn("--filter", r.err)

    def test_capture_is_filtered_and_answers_are_not(self):
        h = self.host("vcpus=1,rate=0,program=gr+cpuid")
        f = self.path(h, "a.pcap")
        r = self.agent("-e", "guest-request,cpuid", "-c", 40, "-q", "-w", f,
                       "--filter", "event = cpuid")
        self.assertEqual(r.total("answered"), 40)
        got = self.replay("-r", f, "-o", "json").of_type("event")
        self.assertEqual({e["reason"] for e in got}, {"cpuid"})


class Statistics(Files):
    def test_rate_limit(self):
        h = self.host("vcpus=1,rate=0,program=gr+cpuid")
        r = self.agent("-e", "guest-request,cpuid", "-c", 400, "-o", "json",
                       "--rate-limit", "cpuid=5")
        of = [e["reason"] for e in r.of_type("event")]
        held = sum(int(o["count"]) for o in r.of_type("rate_limited"))
        self.assertGreater(held, 0)
        self.assertEqual(len(of) + held, 400)
        self.assertLess(of.count("cpuid"), 100)
        self.assertEqual(r.of_type("summary")[0]["rate_limited"], str(held))

    def test_interval(self):
        h = self.host("vcpus=1,rate=100")
        a = self.start(h, "-e", "guest-request", "-q", "-o", "json",
                       "--stats-interval", 1)
        a.wait_line('"type":"stats"(.|\n)*"type":"stats"')
        stats = [int(o["received"]) for o in a.stop().of_type("stats")]
        self.assertEqual(stats, sorted(stats))
        self.assertGreater(stats[-1], 0)

    def test_signal(self):
        h = self.host("vcpus=1,rate=100")
        a = self.start(h, "-e", "guest-request", "-o", "json")
        a.wait_line('"type":"event"')
        a.p.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: re.search("^total", a.err(), re.M))
        self.assertRegex(a.err(), r"(?m)^counts .*insn_read=\d+ insn_failed=0")
        self.assertEqual(a.stop().code, 0)

    def test_metrics(self):
        h = self.host("name=we\"b,vcpus=1,rate=100")
        f = self.path(h, "agent.prom")
        a = self.start(h, "-e", "guest-request", "-q", "--metrics", f,
                       "--stats-interval", 1)
        wait_for("the file", lambda: os.path.exists(f))
        inode = os.stat(f).st_ino
        wait_for("the next one", lambda: os.stat(f).st_ino != inode)
        self.assertTrue(os.stat(f).st_mode & stat.S_IROTH)
        r = a.stop()
        with open(f) as text:
            text = text.read()
        label = r'\{domid="1",domain="we\\"b",uuid="[0-9a-f-]{36}"'
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) vmi_agent_\w+ |'
                             r'vmi_agent_\w+' + label + r'(,\w+="[^"]*")?\} \d+$)')
        got = re.search(r'events_total.*event="guest-request"\} (\d+)', text)
        self.assertEqual(int(got[1]), r.total("received"))

    def test_journal(self):
        h = self.host("name=web,vcpus=1,rate=100")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.bind(self.path(h, "journal"))
        s.settimeout(agentlib.TIMEOUT)
        a = Running(h.dir, "-e", "guest-request", "-o", "journal",
                    *self.options, env=dict(
                        os.environ, VMI_JOURNAL_SOCKET=s.getsockname()))
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        first, event = s.recv(65536).decode(), s.recv(65536).decode()
        self.assertRegex(first, r"(?s)^PRIORITY=5\nSYSLOG_IDENTIFIER=vmi-agent"
                         r"\nVMI_DOMID=1\n.*MESSAGE=# domain 1 \(web\).*\n$")
        self.assertRegex(event, r"(?s)^PRIORITY=6\n.*MESSAGE= .*guest-request "
                         r"[^\n]*\nVMI_EVENT=guest-request\nVMI_VCPU=0\n"
                         r"VMI_SEQ=1\n$")
        # Nobody reads any more: the guest goes on, and it is counted.
        h.progress(1)
        wait_for("a full queue", lambda: h.total(1, "iterations") > 100)
        s.setblocking(False)
        self.assertEqual(a.stop().code, 0)


class Guard(Files):
    def rules(self, host, **rules):
        f = self.path(host, "rules.json")
        with open(f, "w") as out:
            json.dump(rules, out)
        return f

    def test_report(self):
        h = self.host("vcpus=1,rate=0,program=cr0+cr4+msr")
        r = self.agent("--guard", "default", "-e", "guest-request", "-q", "-c",
                       200, "-o", "json")
        hits = r.of_type("guard")
        self.assertEqual({o["action"] for o in hits}, {"report"})
        self.assertIn("cr0-wp", {o["rule"] for o in hits})
        for o in hits:
            if o["rule"] == "cr0-wp":
                self.assertTrue(int(o["old"], 16) & 1 << 16)
                self.assertFalse(int(o["new"], 16) & 1 << 16)
        self.assertEqual(r.of_type("summary")[0]["guard_hits"],
                         str(len(hits)))

    def test_deny(self):
        h = self.host("vcpus=1,rate=0,program=cr0")
        f = self.rules(h, rules={"cr0-wp": "deny"})
        a = self.start(h, "--guard", f, "-o", "json")
        a.wait_line('"action":"deny"')
        h.progress(1)
        r = a.stop()
        denied = [o for o in r.of_type("guard") if o["rule"] == "cr0-wp"]
        self.assertEqual({o["action"] for o in denied}, {"deny"})
        answers = [e for e in r.of_type("event")
                   if e.get("payload", {}).get("register") == "cr0"]
        for e in answers:
            clears = int(e["payload"]["old"], 16) & \
                ~int(e["payload"]["new"], 16) & 1 << 16
            self.assertEqual(e["answer"], "deny" if clears else "continue")
        self.assertGreater(h.total(1, "writes_denied"), 0)

    def test_lock_down(self):
        h = self.host("vcpus=1,rate=200,program=msr+cr0")
        f = self.rules(h, lock_after_s=3600)
        r = self.agent("--guard", f, "-q", "-c", 50, "-o", "json")
        self.assertEqual(r.of_type("guard"), [])

    def test_churn(self):
        h = self.host("vcpus=2,rate=0,program=cr3")
        f = self.rules(h, rules={"cr3-churn": "report"}, churn_switches=10,
                       churn_window_ms=50)
        a = self.start(h, "--guard", f, "-q", "-o", "json")
        a.wait_line("cr3-churn")
        hit = [o for o in a.stop().of_type("guard")
               if o["rule"] == "cr3-churn"][0]
        self.assertGreaterEqual(int(hit["count"]), 10)

    def test_bad_files(self):
        h = self.host("vcpus=1")
        for rules, word in (({"rules": {"cr9": "deny"}}, "cr9"),
                            ({"rules": {"cr0-wp": "refuse"}}, "refuse"),
                            ({"rules": {"idt-move": "deny"}}, "cannot be"),
                            ({"rules": {"cr0-wp": 1}}, "expected a text"),
                            ({"rules": 1}, "rules"), ({"lock": 1}, "lock"),
                            ({"lock_after_s": -1}, "whole number")):
            r = run("--guard", self.rules(h, **rules), *self.options)
            self.assertEqual(r.code, 2, rules)
            self.assertIn(word, r.err)
        with open(self.path(h, "rules.json"), "w") as out:
            out.write("{ no json")
        self.assertEqual(run("--guard", out.name, *self.options).code, 2)
        r = run("--guard", self.rules(h, rules={"cr0-wp": "deny"}), "-e",
                "cr0:async", *self.options)
        self.assertEqual(r.code, 2)
        self.assertIn("async", r.err)


if __name__ == "__main__":
    agentlib.main()
