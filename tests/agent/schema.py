# SPDX-License-Identifier: MIT
"""Every line of -o json is as docs/vmi-agent.schema.json has it."""
import copy
import json
import os
import signal
import unittest

import jsonschema

import agentlib
from agentlib import Running, run
from simhost import Host

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))

with open(os.path.join(ROOT, "docs/vmi-agent.schema.json")) as text:
    SCHEMA = json.load(text)


class Schema(unittest.TestCase):
    def setUp(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        self.validator = jsonschema.Draft202012Validator(SCHEMA)
        self.seen = set()

    def check(self, text):
        for line in text.splitlines():
            o = json.loads(line)
            if o["type"] == "event" and ("event", o["reason"]) in self.seen:
                continue    # one of each kind: it takes milliseconds
            error = jsonschema.exceptions.best_match(
                self.validator.iter_errors(o))
            self.assertIsNone(error, line)
            self.seen |= {o["type"], (o["type"], o.get("reason"))}

    def test_watch(self):
        h = Host(self, "name=web,vcpus=2,rate=0,"
                 "program=gr+cr0+cr3+cr4+msr+cpuid+int3+desc")
        for abi in ("v2", "legacy"):
            for regs in ("none", "core", "all"):
                self.seen = set()
                r = run("--sim", h.path, "--domid", 1, "--abi", abi, "--regs",
                        regs, "-c", 200, "-e", "guest-request,cr0,cr3,cr4,"
                        "msr=176,cpuid,int3,desc", "-o", "json", "--per-vcpu",
                        "--guard", "default", "--rate-limit", "50")
                self.assertEqual(r.code, 0, r.err)
                self.check(r.out)
                self.assertLessEqual({"start", "event", "guard", "vcpu",
                                      "summary", "rate_limited"}, self.seen)

    def test_losses_statistics_and_the_end(self):
        h = Host(self, "vcpus=2,rate=0,program=cr3")
        a = Running(h.dir, "--sim", h.path, "--domid", 1, "-e", "cr3", "-o",
                    "json", "--ring", "4K", "--batch", 4, "--batch-sleep", 50,
                    "--stats-interval", 1)
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        a.wait_line('"type":"stats"')
        self.check(a.stop(signal.SIGTERM).out)
        self.assertLessEqual({"lost", "stats"}, self.seen)

    def test_many_domains(self):
        h = Host(self, "name=a,vcpus=1,rate=50")
        a = Running(h.dir, "--sim", h.path, "--all", "-o", "json")
        self.addCleanup(lambda: (a.p.kill(), a.p.wait()))
        a.wait_line('"type":"event"')
        self.check(a.stop(signal.SIGTERM).out)
        self.assertLessEqual({"watching", "start", "event"}, self.seen)

    def test_probe(self):
        h = Host(self, "name=web,vcpus=2")
        for args in ([], ["--name", "web"], ["--domid", 1, "--abi", "legacy"]):
            r = run("--sim", h.path, "--probe", *args)
            self.assertEqual(r.code, 0, r.err)
            self.check(r.out)
        self.assertIn("events", json.loads(r.out))
        self.check(run("--probe").out)

    def test_what_is_not_so(self):
        """The schema is not one that takes anything."""
        h = Host(self, "vcpus=1")
        r = run("--sim", h.path, "--domid", 1, "-c", 1, "-e", "guest-request",
                "-o", "json")
        event, = r.of_type("event")
        for path, value in (("seq", 5), ("rip", "12"), ("sync", 1),
                            ("answer", "perhaps"), ("more", 1),
                            ("type", "evnt"), ("uuid", "x")):
            bad = copy.deepcopy(event)
            bad[path] = value
            self.assertFalse(self.validator.is_valid(bad), path)
        del event["host"]
        self.assertFalse(self.validator.is_valid(event))


if __name__ == "__main__":
    agentlib.main()
