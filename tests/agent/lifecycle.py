# SPDX-License-Identifier: MIT
"""Attaching, ending, dying and coming back; privileges; other commands."""
import json
import os
import re
import signal
import socket
import time
import unittest

import agentlib
from agentlib import Running, run, wait_for
from simhost import RUN, Host
from watch import Watch


class Ending(Watch):
    def ends_well(self, sig, abi):
        h = self.host("vcpus=4,rate=0")
        a = self.start(h, "--domid", 1, "--abi", abi, "-q", "-o", "text")
        h.progress(1)
        r = a.stop(sig)
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.total("received"), r.total("answered"))
        h.progress(1)
        pending, vcpus = h.info(1)
        self.assertEqual(pending, 0)

    def test_sigterm_v2(self):
        self.ends_well(signal.SIGTERM, "v2")

    def test_sigterm_legacy(self):
        self.ends_well(signal.SIGTERM, "legacy")

    def test_sigint(self):
        self.ends_well(signal.SIGINT, "v2")

    def test_sighup(self):
        self.ends_well(signal.SIGHUP, "v2")

    def test_sigterm_while_slow_under_hold(self):
        h = self.host("vcpus=4,rate=0")
        a = self.start(h, "--domid", 1, "--on-death", "hold", "--batch", 1,
                       "--batch-sleep", 60000, "-q", "-o", "text")
        wait_for("a request of each other vCPU", lambda: h.info(1)[0] >= 3)
        self.assertEqual(a.stop().code, 0)
        self.assertEqual(h.info(1)[0], 0)
        h.progress(1)

    def test_domain_destroyed(self):
        h = self.host("vcpus=2,rate=0,count=50,end=destroy,start=wait")
        a = self.start(h, "--domid", 1, "-o", "json")
        h.control(1, RUN)
        r = a.wait()
        self.assertEqual(r.code, 8, r.err)
        self.assertEqual(r.total("answered"), 100)
        self.assertIn("dying", [o["state"] for o in r.of_type("domain")])

    def test_domain_shut_down(self):
        h = self.host("vcpus=1,rate=0,count=5,end=off,start=wait")
        a = self.start(h, "--domid", 1, "-o", "json")
        h.control(1, RUN)
        wait_for("the shutdown to be told",
                 lambda: '"state":"shutdown"' in a.out())
        r = a.stop()
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.of_type("domain")[0]["reason"], "poweroff")


class Dying(Watch):
    """kill -9 while the guest waits for answers."""

    def kill_with_outstanding(self, h, a):
        """Returns how many requests were outstanding at its death."""
        a.p.send_signal(signal.SIGSTOP)
        nr = h.vcpus[0]
        wait_for("all vCPUs to wait", lambda: h.info(1)[0] == nr)
        a.p.kill()
        a.p.wait()
        return nr

    def test_detach(self):
        h = self.host("vcpus=4,rate=0")
        a = self.start(h, "--domid", 1, "-q", "-o", "text")
        h.progress(1)
        nr = self.kill_with_outstanding(h, a)
        h.progress(1)
        r = self.run_agent("--domid", 1, "-c", 1, "-o", "text")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.out.splitlines()[0],
                         "released %d requests left unanswered by the "
                         "previous agent" % nr)
        # Told once.
        r = self.run_agent("--domid", 1, "-c", 1, "-o", "json")
        self.assertEqual(r.objects()[0]["type"], "start")

    def test_detach_in_json(self):
        h = self.host("vcpus=2,rate=0")
        nr = self.kill_with_outstanding(h, self.start(h, "--domid", 1, "-q",
                                                      "-o", "text"))
        h.progress(1)
        r = self.run_agent("--domid", 1, "-c", 1, "-o", "json")
        first = r.objects()[0]
        self.assertEqual((first["type"], first["count"]),
                         ("released", str(nr)))

    def test_hold_and_reattach(self):
        h = self.host("vcpus=4,rate=0")
        a = self.start(h, "--domid", 1, "--on-death", "hold", "-q", "-o",
                       "text", "-e", "guest-request")
        h.progress(1)
        nr = self.kill_with_outstanding(h, a)
        before = h.counters(1)
        r = self.run_agent("--status", 1, "-o", "json")
        self.assertEqual((r.objects()[0]["channel"],
                          r.objects()[0]["pending"]), ("held", nr))
        self.assertEqual(h.counters(1), before, "a held vCPU went on")
        r = self.run_agent("--domid", 1, "--reattach", "--on-death", "hold",
                           "-e", "guest-request", "-c", nr, "-o", "json")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual({e["vcpu"] for e in r.of_type("event")},
                         set(range(nr)))
        self.assertEqual(r.total("answered"), nr)
        h.progress(1)

    def test_nothing_to_reattach_to(self):
        self.host("vcpus=1")
        r = self.run_agent("--domid", 1, "--reattach", "--on-death", "hold")
        self.assertEqual(r.code, 12, r.err)
        self.assertIn("no channel to attach to", r.err)

    def test_kill_and_attach_many_times(self):
        h = self.host("vcpus=2,rate=0")
        for _ in range(25):
            a = self.start(h, "--domid", 1, "-q", "-o", "text")
            a.p.kill()
            a.p.wait()
            h.progress(1)


class Sharing(Watch):
    def test_busy_names_the_holder(self):
        h = self.host("vcpus=1")
        a = self.start(h, "--domid", 1, "-q", "-o", "text")
        r = self.run_agent("--domid", 1)
        self.assertEqual(r.code, 6, r.err)
        self.assertIn("vmi-agent[%d]" % a.p.pid, r.err)
        h.progress(1)

    def test_takeover(self):
        h = self.host("vcpus=2,rate=0")
        a = self.start(h, "--domid", 1, "-q", "-o", "text", "--on-death",
                       "hold")
        r = self.run_agent("--domid", 1, "--takeover", "--on-death", "hold",
                           "-c", 100, "-q", "-o", "text")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(a.wait().code, 9)
        h.progress(1)

    def test_release(self):
        h = self.host("vcpus=2,rate=0")
        a = self.start(h, "--domid", 1, "-q", "-o", "text")
        a.p.send_signal(signal.SIGSTOP)
        wait_for("all vCPUs to wait", lambda: h.info(1)[0] == 2)
        r = self.run_agent("--release", 1)
        self.assertEqual(r.code, 0, r.err)
        h.progress(1)
        a.p.send_signal(signal.SIGCONT)
        self.assertEqual(a.wait().code, 13)

    def test_list_and_status(self):
        h = self.host("name=one,vcpus=1", "name=two,vcpus=3,rate=0")
        a = self.start(h, "--domid", 2, "-q", "-o", "text", "--on-death",
                       "hold")
        listed = {o["name"]: o for o in
                  self.run_agent("--list", "-o", "json").objects()}
        self.assertEqual(listed["one"]["holder"], "")
        self.assertEqual(listed["two"]["channel"], "armed")
        self.assertEqual(listed["two"]["holder"], "vmi-agent[%d]" % a.p.pid)
        text = self.run_agent("--list", "-o", "text").out
        self.assertRegex(text, r"(?m)^ +2  two +armed +3  vmi-agent\[")

        a.p.send_signal(signal.SIGSTOP)
        wait_for("all vCPUs to wait", lambda: h.info(2)[0] == 3)
        wait_for("age", lambda: int(self.run_agent(
            "--status", 2, "-o", "json").objects()[0]["vcpus"][0]["age_ms"])
            > 20)
        status, = self.run_agent("--status", 2, "-o", "json").objects()
        self.assertEqual((status["on_death"], status["pending"]), ("hold", 3))
        for vcpu in status["vcpus"]:
            self.assertEqual((vcpu["pending"], vcpu["reason"]),
                             (1, "guest-request"))
        text = self.run_agent("--status", 2, "-o", "text").out
        self.assertRegex(text, r"channel armed, holder vmi-agent\[%d\]" %
                         a.p.pid)
        self.assertEqual(len(re.findall(r"^vcpu \d pending=1 "
                                        r"reason=guest-request age_ms=\d+",
                                        text, re.M)), 3)
        a.p.send_signal(signal.SIGCONT)
        self.assertEqual(a.stop().code, 0)

    def test_no_such_domain(self):
        self.host("name=one")
        for args in (["--domid", 9], ["--name", "nine"], ["--status", 9],
                     ["--release", 9], ["--probe", "--domid", 9]):
            r = self.run_agent(*args)
            self.assertEqual(r.code, 3, (args, r.err))

    def test_name_twice(self):
        self.host("name=same", "name=same")
        r = self.run_agent("--name", "same")
        self.assertEqual(r.code, 2)
        self.assertIn("more than one domain", r.err)

    def test_probe(self):
        self.host("vcpus=2")
        o, = self.run_agent("--probe", "--domid", 1).objects()
        self.assertTrue(o["v2"] and o["simulated"])
        self.assertEqual(o["events"]["guest-request"],
                         {"sync": True, "async": True})
        self.assertEqual(o["events"]["cpuid"],
                         {"sync": True, "async": False})
        self.assertFalse(o["events"]["privcall"]["sync"])
        self.assertTrue(o["capabilities"]["lossy"])


class Abi(Watch):
    def test_not_offered(self):
        self.host("vcpus=1", options=["--no-v2"])
        r = self.run_agent("--domid", 1, "--abi", "v2")
        self.assertEqual(r.code, 7, r.err)
        r = self.run_agent("--domid", 1, "--on-death", "hold")
        self.assertEqual(r.code, 7, r.err)
        self.assertIn("HOLD", r.err)
        r = self.run_agent("--domid", 1, "-c", 1, "-o", "json")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.of_type("start")[0]["abi"], "legacy")
        self.assertIn("control every domain", r.err)

    def test_legacy_not_offered(self):
        self.host("vcpus=1", options=["--no-legacy"])
        r = self.run_agent("--domid", 1, "--abi", "legacy")
        self.assertEqual(r.code, 7, r.err)
        r = self.run_agent("--domid", 1, "-c", 1, "-o", "json")
        self.assertEqual(r.of_type("start")[0]["abi"], "v2")


class Privileges(Watch):
    def status_of(self, a, task=None):
        with open("/proc/%d/task/%d/status" % (a.p.pid,
                                               task or a.p.pid)) as f:
            return dict(line.split(":", 1) for line in f)

    def test_given_up(self):
        h = self.host("vcpus=1")
        a = self.start(h, "--domid", 1, "-q", "-o", "text")
        wait_for("the filter", lambda:
                 self.status_of(a)["Seccomp"].strip() == "2")
        # One of them writes the file that is its standard output here.
        tasks = [int(t) for t in os.listdir("/proc/%d/task" % a.p.pid)]
        self.assertEqual(len(tasks), 2)
        for task in tasks:
            self.given_up(self.status_of(a, task))
        # Everything that it does later still works.
        h.progress(1)
        a.p.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: "total" in a.err())
        a.p.send_signal(signal.SIGTERM)
        self.assertEqual(a.p.wait(), 0)

    def given_up(self, s):
        self.assertEqual(s["Seccomp"].strip(), "2")
        self.assertEqual(s["NoNewPrivs"].strip(), "1")
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(s[name], 16), 0, name)
        self.assertNotIn("0", s["Uid"].split())
        self.assertNotIn("0", s["Gid"].split())
        if os.geteuid() == 0:
            self.assertEqual(int(s["CapBnd"], 16), 0)
            self.assertEqual(s["Groups"].strip(), "")

    def test_kept_on_demand(self):
        h = self.host("vcpus=1")
        a = self.start(h, "--domid", 1, "-q", "-o", "text", "--privileged")
        h.progress(1)
        s = self.status_of(a)
        self.assertEqual(s["Seccomp"].strip(), "0")
        self.assertEqual(s["Uid"].split()[0], str(os.geteuid()))
        r = a.stop()
        self.assertEqual(r.code, 0)
        self.assertIn("--privileged", r.err)


class Service(Watch):
    def manager(self, h):
        """The socket of a service manager, and the agent's environment."""
        path = os.path.join(h.dir, "notify")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.bind(path)
        os.chmod(path, 0o777)
        s.settimeout(agentlib.TIMEOUT)
        return s, dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")

    def wait_silence(self, s):
        s.setblocking(False)
        quiet_since = time.monotonic()

        def quiet():
            nonlocal quiet_since
            try:
                s.recv(4096)
                quiet_since = time.monotonic()
            except BlockingIOError:
                pass
            return time.monotonic() - quiet_since > 0.4

        wait_for("silence", quiet)

    def test_notify_and_watchdog(self):
        h = self.host("vcpus=1,start=wait")     # idle: nothing to receive
        s, env = self.manager(h)
        a = self.start(h, "--domid", 1, "-q", "-o", "text", env=env)
        said = [s.recv(4096).decode() for _ in range(6)]
        self.assertEqual(said.count("READY=1"), 1)
        self.assertGreaterEqual(said.count("WATCHDOG=1"), 4)
        a.p.send_signal(signal.SIGTERM)
        self.assertEqual(a.p.wait(agentlib.TIMEOUT), 0)
        rest = []
        while "STOPPING=1" not in rest:
            rest.append(s.recv(4096).decode())

    def test_a_stuck_agent_does_not_feed_the_watchdog(self):
        h = self.host("vcpus=1,start=wait")
        s, env = self.manager(h)
        a = self.start(h, "--domid", 1, "-q", "-o", "text", env=env)
        while s.recv(4096) != b"WATCHDOG=1":
            pass
        a.p.send_signal(signal.SIGSTOP)
        self.wait_silence(s)
        a.p.send_signal(signal.SIGCONT)

    def test_requests_that_wait_do_not_feed_the_watchdog(self):
        """The loop turns, but does not look at the ring for a minute."""
        for abi in ("v2", "legacy"):
            h = self.host("vcpus=4,rate=0")
            s, env = self.manager(h)
            a = self.start(h, "--domid", 1, "--abi", abi, "--batch", 1,
                           "--batch-sleep", 60000, "-q", "-o", "text",
                           env=env)
            self.wait_silence(s)
            a.p.send_signal(signal.SIGUSR1)
            wait_for("the loop", lambda: "\ntotal " in a.err())
            a.p.kill()
            a.p.wait()

    def test_a_busy_agent_feeds_the_watchdog(self):
        for abi in ("v2", "legacy"):
            h = self.host("vcpus=4,rate=0")
            s, env = self.manager(h)
            a = self.start(h, "--domid", 1, "--abi", abi, "-q", "-o", "text",
                           env=env)
            said = b""
            while said.count(b"WATCHDOG=1") < 8:
                said += s.recv(4096)
            self.assertEqual(a.stop().code, 0)


if __name__ == "__main__":
    agentlib.main()
