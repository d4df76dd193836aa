# SPDX-License-Identifier: MIT
"""--all and --name PATTERN: one worker per domain, as domains come and go."""
import collections
import json
import os
import re
import resource
import shutil
import signal
import socket
import tempfile
import unittest

import agentlib
from agentlib import Running, wait_for
from simhost import RUN, Host
from watch import Watch

DOMAINS = 30
EVENTS = 20
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def children(pid):
    """{pid} of the processes whose parent it is, dead ones too."""
    path = "/proc/%d/task/%d/children" % (pid, pid)
    with open(path) as f:
        return set(map(int, f.read().split()))


def fds(pid):
    path = "/proc/%d/fd" % pid
    found = []
    for n in os.listdir(path):
        try:
            found.append(os.readlink(os.path.join(path, n)).split(":")[0])
        except FileNotFoundError:   # closed meanwhile
            pass
    return sorted(found)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


class Supervisor(Watch):
    def controlled(self, *domains):
        return Host(self, *domains, options=("--control",))

    def supervise(self, host, *args, **kwargs):
        return Running(host.dir, "--sim", host.path, *args, **kwargs)

    def objects(self, agent):
        """Whole lines only: the agent may be writing the last one."""
        return [json.loads(line) for line in agent.out().splitlines(True)
                if line.endswith("\n")]

    def wait_start(self, agent, domid, times=1):
        try:
            wait_for("watching domain %d" % domid, lambda: sum(
                o["type"] == "start" and o["domid"] == domid
                for o in self.objects(agent)) >= times)
        except AssertionError as e:
            raise AssertionError("%s: %s%s" % (e, agent.err()[-2000:],
                                               agent.out()[-2000:])) from e

    def worker(self, agent, domid):
        return max((int(o["text"].split()[1]), i)[0] for i, o in
                   enumerate(self.objects(agent)) if o["type"] == "watching"
                   and o["domid"] == domid)


class ComeAndGo(Supervisor):
    def test_thirty_domains(self):
        h = self.controlled()
        a = self.supervise(h, "--all", "-e", "guest-request", "--no-disasm")
        domids = [h.add("name=web%d,vcpus=2,rate=0,count=%d,start=wait,"
                        "end=destroy" % (i, EVENTS)) for i in range(DOMAINS)]
        for domid in domids:
            self.wait_start(a, domid)
        with_all = len(fds(a.p.pid))
        self.assertEqual(len(children(a.p.pid)), DOMAINS)
        for domid in domids:
            h.control(domid, RUN)
        for domid in domids:
            h.wait_gone(domid)
        wait_for("the workers to end", lambda: not children(a.p.pid))
        wait_for("their pipes to be closed",
                 lambda: len(fds(a.p.pid)) <= with_all - 2 * DOMAINS)
        # Still at work: one more comes, is watched and leaves.
        extra = h.add("name=late,vcpus=1,rate=0,count=3,start=wait,end=destroy")
        self.wait_start(a, extra)
        h.control(extra, RUN)
        h.wait_gone(extra)
        wait_for("its end", lambda: sum(o["type"] == "left" for o in
                                        self.objects(a)) == DOMAINS + 1)
        before_end = fds(a.p.pid)
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(before_end.count("pipe"), 0, before_end)
        self.check_stream(r, domids)
        self.assertIn("supervisor domains=%d restarts=0 bad_lines=0 "
                      "output_drops=0" % (DOMAINS + 1), r.err)

    def check_stream(self, r, domids):
        """Nothing lost or torn, and every line says whose it is."""
        uuids = {}
        events = collections.defaultdict(list)
        for line in r.out.splitlines():
            for key in "host", "boot", "domid", "domain", "uuid":
                self.assertEqual(line.count('"%s":' % key), 1, line)
        with open("/proc/sys/kernel/random/boot_id") as f:
            boot = f.read().rstrip()
        for o in r.objects():       # a torn line would not parse
            self.assertEqual((o["host"], o["boot"]),
                             (socket.gethostname(), boot))
            if o["domain"] != "late":
                self.assertEqual(o["domain"],
                                 "web%d" % domids.index(o["domid"]))
            self.assertRegex(o["uuid"], UUID)
            self.assertEqual(uuids.setdefault(o["domain"], o["uuid"]),
                             o["uuid"])
            if o["type"] == "event":
                events[o["domain"], o["vcpu"]].append(int(o["seq"]))
            self.assertNotEqual(o["type"], "lost")
        self.assertEqual(len(set(uuids.values())), DOMAINS + 1)
        for i in range(len(domids)):
            for vcpu in range(2):
                self.assertEqual(events["web%d" % i, vcpu],
                                 list(range(1, EVENTS + 1)))
            self.assertRegex(r.err, r"(?m)^web%d %s total received=%d "
                             "answered=%d lost=0 " % (
                                 i, uuids["web%d" % i], 2 * EVENTS, 2 * EVENTS))

    def test_domains_that_are_there(self):
        h = self.controlled("name=a,vcpus=1,rate=50", "name=b,vcpus=1,rate=50")
        a = self.supervise(h, "--all", "-o", "text")
        for name in "ab":
            wait_for("events of " + name, lambda n=name: re.search(
                r"(?m)^%s \S{36} +\d+\.\d+ .*guest-request" % n, a.out()))
        self.assertEqual(a.stop().code, 0)

    def test_pattern(self):
        h = self.controlled("name=web1,vcpus=1,rate=50")
        a = self.supervise(h, "--name", "web[12]")
        self.wait_start(a, 1)
        h.add("name=db1,vcpus=1,rate=50")
        h.add("name=web3,vcpus=1,rate=50")
        domid = h.add("name=web2,vcpus=1,rate=50")
        self.wait_start(a, domid)
        r = a.stop()
        self.assertEqual(r.code, 0)
        self.assertEqual({o["domain"] for o in r.objects()}, {"web1", "web2"})

    def test_files_of_each(self):
        """A FILE with %u is one for each domain; without it it is refused."""
        h = self.controlled("name=a,vcpus=1,rate=50", "name=b,vcpus=1,rate=50")
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        a = self.supervise(h, "--all", "-q", "-e", "guest-request", "-o",
                           "json", "-w", folder + "/%u.pcap",
                           "--output-file", folder + "/%u.jsonl")

        def written():
            sizes = [e.stat().st_size for e in os.scandir(folder)]
            return len(sizes) == 4 and all(sizes)
        wait_for("two files of each domain", written)
        self.assertEqual(a.stop().code, 0)
        names = sorted(os.listdir(folder))
        self.assertEqual(len(names), 4, names)
        for name in names:
            stem, kind = name.split(".")
            self.assertRegex(stem, UUID)
            self.assertIn(kind, ("pcap", "jsonl"))
            if name.endswith(".jsonl"):
                with open(os.path.join(folder, name)) as f:
                    lines = f.read().splitlines()
                self.assertEqual(json.loads(lines[0])["uuid"] + ".jsonl", name)
        for option in "-w", "--output-file", "--metrics":
            r = self.supervise(h, "--all", option, folder + "/same").wait()
            self.assertEqual(r.code, 2)
            self.assertIn("%u", r.err)

    def test_duration_and_end_of_host(self):
        h = self.controlled("name=a,vcpus=1,rate=50")
        a = self.supervise(h, "--all", "--duration", 1, "-q")
        self.assertEqual(a.wait().code, 0)


class Failing(Supervisor):
    def killed(self, *options):
        h = self.controlled("name=a,vcpus=2,rate=0", "name=b,vcpus=2,rate=0")
        a = self.supervise(h, "--all", "-q", *options)
        self.wait_start(a, 1)
        self.wait_start(a, 2)
        other = self.worker(a, 2)
        os.kill(self.worker(a, 1), signal.SIGKILL)
        self.wait_start(a, 1, times=2)
        h.progress(1)
        h.progress(2)
        self.assertEqual(self.worker(a, 2), other)
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertIn("restarts=1 ", r.err)
        told = r.of_type("restart")
        self.assertEqual([o["domain"] for o in told], ["a"])
        self.assertIn("killed by signal 9", told[0]["text"])
        for domid in 1, 2:
            h.progress(domid)
            self.assertEqual(h.info(domid)[0], 0)
        return h, r

    def test_worker_is_killed(self):
        self.killed()

    def test_worker_is_killed_under_hold(self):
        h, r = self.killed("--on-death", "hold")
        # It found the channel of the one before: no request was let go.
        self.assertEqual(sum(v["released"] for v in h.info(1)[1]), 0)
        starts = [o for o in r.of_type("start") if o["domain"] == "a"]
        self.assertGreater(int(starts[1]["generation"]),
                           int(starts[0]["generation"]))

    def test_supervisor_is_killed(self):
        h = self.controlled("name=a,vcpus=2,rate=0")
        a = self.supervise(h, "--all", "-q", "--on-death", "hold")
        self.wait_start(a, 1)
        worker = self.worker(a, 1)
        a.p.kill()
        a.p.wait()
        wait_for("the worker to end",
                 lambda: not os.path.exists("/proc/%d" % worker)
                 or status(worker)["State"].startswith("Z"))
        # It let go of the domain, which the policy alone would not have done.
        h.progress(1)

    def test_cannot_start(self):
        h = self.controlled("name=a,vcpus=1,rate=50")
        a = self.supervise(h, "--all", "-e", "privcall")
        wait_for("its being let be", lambda: any(
            o["type"] == "unwatched" for o in self.objects(a)))
        r = a.stop()
        self.assertEqual(r.code, 0)
        self.assertIn("restarts=0 ", r.err)

    def test_nobody_reads(self):
        """The guests get on, and what is read in the end is whole."""
        h = self.controlled("name=a,vcpus=2,rate=0", "name=b,vcpus=2,rate=0")
        read, write = os.pipe()
        a = self.supervise(h, "--all", "-o", "json", stdout=write)
        os.close(write)
        wait_for("the workers", lambda: len(children(a.p.pid)) == 2)
        for domid in 1, 2:
            wait_for("channel", lambda d=domid: h.state(d) == h.ARMED)
        for _ in range(5):
            h.progress(1)
            h.progress(2)
        a.p.send_signal(signal.SIGTERM)
        with os.fdopen(read) as f:
            lines = f.read().splitlines()
        self.assertEqual(a.p.wait(agentlib.TIMEOUT), 0)
        for line in lines:
            self.assertIn(json.loads(line)["domain"], "ab")


class Short(Supervisor):
    """Descriptors run out, and are there again."""

    def leave(self, pid, left):
        """The limit below which it has so many descriptors left."""
        used = set(map(int, os.listdir("/proc/%d/fd" % pid)))
        limit = 0
        while left or limit in used:
            left -= limit not in used
            limit += 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, self.hard))

    def supervise_short(self, *domains):
        h = self.controlled(*domains)
        self.hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        a = self.supervise(h, "--all", "-q", preexec_fn=lambda:
                           resource.setrlimit(resource.RLIMIT_NOFILE,
                                              (64, self.hard)))
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        return h, a

    def enough(self, a):
        resource.prlimit(a.p.pid, resource.RLIMIT_NOFILE,
                         (self.hard, self.hard))

    def test_limit_is_raised(self):
        _, a = self.supervise_short("name=a,vcpus=1,rate=50")
        self.wait_start(a, 1)
        self.assertEqual(resource.prlimit(a.p.pid, resource.RLIMIT_NOFILE),
                         (self.hard, self.hard))
        self.assertEqual(a.stop().code, 0)

    def test_none_for_the_list(self):
        h, a = self.supervise_short("name=a,vcpus=1,rate=50")
        self.wait_start(a, 1)
        self.leave(a.p.pid, 0)
        h.add("name=b,vcpus=1,rate=50")
        wait_for("word of it, twice", lambda: len(re.findall(
            r"(?m)^vmi-agent: listing domains: .*Too many open files; again "
            r"in \d+ ms$", a.err())) >= 2)
        self.assertIsNone(a.p.poll())
        self.enough(a)
        self.wait_start(a, 2)
        self.assertEqual(a.stop().code, 0)

    def test_none_for_a_worker(self):
        h, a = self.supervise_short("name=a,vcpus=1,rate=50")
        self.wait_start(a, 1)
        self.leave(a.p.pid, 3)
        h.add("name=b,vcpus=1,rate=50")
        wait_for("word of it, twice", lambda: len([
            o for o in self.objects(a) if o["type"] == "restart" and
            o["text"].startswith("Too many open files; again in")]) >= 2)
        self.enough(a)
        self.wait_start(a, 2)
        r = a.stop()
        self.assertEqual(r.code, 0)
        self.assertFalse(r.of_type("unwatched"))


class Confined(Supervisor):
    def test_handles(self):
        """Each worker has one way to the host; the supervisor only watches."""
        h = self.controlled("name=a,vcpus=1,rate=50", "name=b,vcpus=1,rate=50",
                            "name=c,vcpus=1,rate=50")
        a = self.supervise(h, "--all", "-q")
        other = self.host("vcpus=1,rate=50")
        alone = self.start(other, "--domid", 1, "-q")
        for domid in 1, 2, 3:
            self.wait_start(a, domid)
        wait_for("the other agent",
                 lambda: status(alone.p.pid)["Seccomp"] == "2")
        for domid in 1, 2, 3:
            worker = self.worker(a, domid)
            wait_for("its filter", lambda w=worker: status(w)["Seccomp"] == "2")
            self.assertEqual(fds(worker).count("socket"), 1)
            self.assertEqual(fds(worker).count("/memfd"),
                             fds(alone.p.pid).count("/memfd"))
            # Its two outputs and nobody else's pipes.
            self.assertLessEqual(fds(worker).count("pipe"), 4)
            self.assertEqual(status(worker)["NoNewPrivs"], "1")
            self.assertRegex(status(worker)["CapEff"], "^0+$")
        self.assertEqual(fds(a.p.pid).count("socket"), 1)
        self.assertEqual(a.stop().code, 0)
        self.assertEqual(alone.stop().code, 0)


if __name__ == "__main__":
    agentlib.main()
