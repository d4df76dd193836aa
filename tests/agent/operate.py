# SPDX-License-Identifier: MIT
"""vmi-agent as operators have it: documents, slow readers, the fleet's log."""
import json
import os
import re
import select
import signal
import subprocess
import time
import unittest

import agentlib
from agentlib import AGENT, TIMEOUT, Running, run, wait_for
from simhost import Host

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))


def read(name):
    with open(os.path.join(ROOT, name)) as text:
        return text.read()


class Documents(unittest.TestCase):
    def options(self):
        return set(re.findall(r"--[a-z][a-z-]+", run("--help").out))

    def test_each_option_is_everywhere(self):
        for name in ("docs/vmi-agent.8.scd", "docs/AGENT.md",
                     "contrib/vmi-agent.bash"):
            text = read(name)
            missing = [o for o in sorted(self.options()) if not re.search(
                re.escape(o) + r"(?![a-z-])", text)]
            self.assertEqual(missing, [], name)

    def test_each_rule_is_documented(self):
        rules = re.findall(r"(?m)^      (\S+) +(?:off|report|deny) ",
                           run("--help").out)
        self.assertGreater(len(rules), 10)
        text = read("docs/AGENT.md")
        self.assertEqual([r for r in rules if "`%s`" % r not in text], [])

    def test_manual_page(self):
        p = subprocess.run(["scdoc"], input=read("docs/vmi-agent.8.scd"),
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn(".SH FILTERS", p.stdout)

    def complete(self, *words):
        script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ' \
            '_vmi_agent; printf "%s\\n" "${COMPREPLY[@]}"'
        p = subprocess.run(
            ["bash", "-c", script, os.path.join(ROOT,
                                                "contrib/vmi-agent.bash"),
             "vmi-agent", *words], capture_output=True, text=True,
            env=dict(os.environ, PATH=os.path.dirname(AGENT) + ":" +
                     os.environ["PATH"]))
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout.split()

    def test_completion(self):
        self.assertEqual(self.complete("--reg"), ["--regs"])
        self.assertEqual(self.complete("--abi", ""), ["auto", "v2", "legacy"])
        self.assertEqual(self.complete("-e", "cr3,cpu"), ["cr3,cpuid"])
        self.assertIn("default", self.complete("--guard", "de"))


class Reader(unittest.TestCase):
    """A pipe that nobody reads any more."""

    SECONDS = 10

    def counts(self, agent):
        """What SIGUSR1 prints: {name: number}."""
        lines = lambda: re.findall(r"(?m)^counts .*\ntotal .*\n", agent.err())
        seen = len(lines())
        agent.p.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: len(lines()) > seen)
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)",
                                                 lines()[-1])}

    def drain(self, fd, seconds):
        """Reads for so long; the bytes."""
        end, got = time.monotonic() + seconds, []
        while time.monotonic() < end:
            if select.select([fd], [], [], 0.1)[0]:
                data = os.read(fd, 1 << 20)
                if not data:
                    break
                got.append(data)
        return b"".join(got)

    def wait_seconds(self, agent, seconds):
        """A span of time is what is measured here, not waited for."""
        with self.assertRaises(subprocess.TimeoutExpired):
            agent.p.wait(seconds)

    def test_blocked(self):
        h = Host(self, "vcpus=2,rate=0")
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        a = Running(h.dir, "--sim", h.path, "--domid", 1, "-e",
                    "guest-request", "-o", "json", stdout=w)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        os.close(w)
        out = self.drain(r, 1)
        before = h.total(1, "iterations")
        out += self.drain(r, self.SECONDS)
        reading = h.total(1, "iterations") - before

        drops = self.counts(a)["output_drops"]
        wait_for("drops", lambda: self.counts(a)["output_drops"] > drops)
        first = self.counts(a)
        before = h.total(1, "iterations")
        self.wait_seconds(a, self.SECONDS)
        blocked = h.total(1, "iterations") - before
        last = self.counts(a)
        self.assertEqual(last["output_writes"], first["output_writes"])
        self.assertGreater(last["output_drops"], first["output_drops"])
        self.assertGreaterEqual(blocked, 0.8 * reading)
        self.traced(a, h)

        a.p.send_signal(signal.SIGTERM)
        out += self.drain(r, TIMEOUT)
        result = a.wait()
        self.assertEqual(result.code, 0)
        told = [json.loads(x) for x in out.decode().splitlines()]
        printed = sum(o["type"] == "event" for o in told)
        result.err = result.err.rstrip("\n").rsplit("\n", 1)[1]
        self.assertEqual(result.total("output_drops"),
                         result.total("received") - printed)
        numbers = [int(o["live"]["line"]) for o in told
                   if o["type"] == "event"]
        self.assertEqual(numbers, sorted(set(numbers)))

    def traced(self, a, h):
        """The same by another witness: no write to the pipe while events go
        on being answered."""
        trace = os.path.join(h.dir, "trace")
        s = subprocess.Popen(["strace", "-f", "-qq", "-y", "-e",
                              "trace=write,writev,sendto,sendmsg,ioctl", "-o",
                              trace, "-p", str(a.p.pid)],
                             stderr=subprocess.PIPE)
        wait_for("strace", lambda: os.path.exists(trace) and
                 os.path.getsize(trace) > 20000)
        s.send_signal(signal.SIGINT)
        s.communicate(timeout=TIMEOUT)
        with open(trace) as text:
            text = text.read()
        self.assertGreater(len(re.findall(r"send\w+\(\d+<", text)), 50)
        self.assertEqual(re.findall(r"writev?\(\d+<pipe", text), [])


class Fleet(unittest.TestCase):
    """contrib/rsyslog-vmi-agent.conf, and rsyslog on the agent's file."""

    def test_configuration(self):
        h = Host(self, "vcpus=1")
        conf = os.path.join(h.dir, "rsyslog.conf")
        with open(conf, "w") as out:
            out.write('global(workDirectory="%s")\ninclude(file="%s")\n' % (
                h.dir, os.path.join(ROOT, "contrib/rsyslog-vmi-agent.conf")))
        p = subprocess.run(["rsyslogd", "-N1", "-f", conf],
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(re.findall("(?i)error|could not", p.stderr), [],
                         p.stderr)

    def rsyslog(self, h, conf):
        pid = os.path.join(h.dir, "rsyslog.pid")
        p = subprocess.Popen(["rsyslogd", "-n", "-i", pid, "-f", conf],
                             stderr=subprocess.PIPE)
        self.addCleanup(lambda: (p.kill(), p.communicate()))
        return p

    def config(self, h, log, to):
        """The committed file, with another place to read and to write."""
        text = read("contrib/rsyslog-vmi-agent.conf")
        text = re.sub(r'module\(load="omkafka"\)\n', "", text)
        text, n = re.subn(r'action\(type="omkafka".*?\)\n',
                          'action(type="omfile" file="%s" '
                          'template="vmi_out")\n' % to, text, flags=re.S)
        self.assertEqual(n, 1)
        text, n = re.subn(r'file="/var/log[^"]*"', 'file="%s"' % log, text)
        self.assertEqual(n, 1)
        conf = os.path.join(h.dir, "rsyslog.conf")
        with open(conf, "w") as out:
            out.write('global(workDirectory="%s")\n'
                      'template(name="vmi_out" type="string" '
                      'string="%%msg%%\\n")\n%s' % (h.dir, text))
        return conf

    def test_each_line_once_across_a_restart(self):
        h = Host(self, "vcpus=2,rate=500")
        os.chmod(h.dir, 0o777)
        log, to = (os.path.join(h.dir, n) for n in ("agent.json", "got.json"))
        conf = self.config(h, log, to)
        a = Running(h.dir, "--sim", h.path, "--domid", 1, "-e",
                    "guest-request", "-o", "json", "--output-file", log)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        size = lambda: os.path.exists(to) and os.path.getsize(to)
        p = self.rsyslog(h, conf)
        wait_for("the first lines", lambda: size() and size() > 100000)
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=TIMEOUT)
        before, behind = size(), os.path.getsize(log)
        wait_for("lines meanwhile", lambda: os.path.getsize(log) >
                 behind + 100000)
        p = self.rsyslog(h, conf)
        wait_for("lines after it", lambda: size() > before + 200000)
        self.assertEqual(a.stop().code, 0)
        with open(log) as text:
            sent = text.read().splitlines()
        wait_for("the last line", lambda: read(to).count("\n") >= len(sent))
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=TIMEOUT)
        got = read(to).splitlines()
        self.assertEqual(got, sent)
        # What a consumer does to find what is missing.
        del got[len(got) // 2]
        self.assertEqual(self.gaps(sent), 0)
        self.assertEqual(self.gaps(got), 1)

    def gaps(self, text):
        last, gaps = {}, 0
        for o in map(json.loads, text):
            if "line" not in o["live"]:
                continue
            key = o["host"], o["boot"], o["uuid"], o["live"]["pid"]
            number = int(o["live"]["line"])
            gaps += number - last.get(key, number - 1) - 1
            last[key] = number
        return gaps


if __name__ == "__main__":
    agentlib.main()
