# SPDX-License-Identifier: MIT
"""
A vmi-sim of a test's own, and a second pair of eyes on it: the guests' own
counters and Xen's counts, read without the SDK and without the agent.

The numbers are those of libvmi-ring/src/sim_proto.h, of
tests/xen/guest/layout.h and of xen/include/public/vm_event_v2.h.
"""
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile

from agentlib import TIMEOUT, wait_for

SIM = os.environ["VMI_SIM"]

HELLO, DM_OP, PAUSE, UNPAUSE, READ_PHYS, WRITE_PHYS = 1, 4, 32, 33, 34, 35
MAGIC, VERSION = 0x4d495356, 1
REQ, REP = struct.Struct("<6I4QQ"), struct.Struct("<IIiIII4QQ")

LAYOUT = 0x200000
CONTROL, PHASE = LAYOUT + 16, LAYOUT + 64
RUN, STOP = 1, 2
DONE = 3
COUNTERS = ("iterations", "checked", "mismatched", "cpuid_native",
            "cpuid_replaced", "writes_kept", "writes_denied", "traps")

DMOP_VM_EVENT, CMD_INFO = 0x564d4532, 3
INFO = ("seq", "produced", "lost", "raised", "answered", "released",
        "cancelled", "stale", "bad", "pauses", "pending_since")
VCPU_INFO = struct.Struct("<11QII")


class Host:
    """vmi-sim with the given domains, as its --domain option takes them."""

    def __init__(self, test, *domains, options=()):
        self.dir = tempfile.mkdtemp(prefix="vmi-agent-test.")
        os.chmod(self.dir, 0o755)
        self.path = os.path.join(self.dir, "sim.sock")
        self.log = open(os.path.join(self.dir, "sim.log"), "w+")
        args = [SIM, "--socket", self.path, *options]
        for domain in domains:
            args += ["--domain", domain]
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, bufsize=0,
                                  stdout=self.log, stderr=subprocess.STDOUT)
        test.addCleanup(self.close, test)
        wait_for("vmi-sim", lambda: self.alive() and
                 re.search("ready at", self.text()))
        self.vcpus = [int(n) for n in re.findall(r": (\d+) vCPUs", self.text())]
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection.connect(self.path)
        self.call(HELLO, 0, (MAGIC, VERSION), b"test[0]")

    # ---- with --control: domains come and go ----

    def add(self, domain):
        """Returns the new domain's number."""
        self.vcpus.append(int(re.search(r"vcpus=(\d+)", domain).group(1)))
        self.p.stdin.write(b"add %s\n" % domain.encode())
        domid = len(self.vcpus)
        wait_for("domain %d" % domid, lambda: self.alive() and re.search(
            r"simulated domain %d '.*vCPUs" % domid, self.text()))
        return domid

    def remove(self, domid):
        self.p.stdin.write(b"remove %d\n" % domid)
        self.wait_gone(domid)

    def wait_gone(self, domid):
        wait_for("the end of domain %d" % domid, lambda: self.alive() and
                 re.search(r"simulated domain %d '.*destroyed" % domid,
                           self.text()))

    def alive(self):
        if self.p.poll() is not None:
            raise AssertionError("vmi-sim ended: " + self.text())
        return True

    def text(self):
        with open(self.log.name) as f:
            return f.read()

    def close(self, test):
        """It exits with 0 only if all of Xen's memory came back."""
        self.connection.close()
        self.p.send_signal(signal.SIGTERM)
        try:
            code = self.p.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            code = "none (killed)"
        self.log.close()
        self.p.stdin.close()
        with test.subTest("vmi-sim"):
            test.assertEqual(code, 0, self.text())
        subprocess.run(["rm", "-rf", self.dir], check=True)

    def call(self, op, domid, args=(), data0=b"", data1=b""):
        args = list(args) + [0] * (4 - len(args))
        self.connection.send(REQ.pack(op, 7, domid, 0, len(data0), len(data1),
                                      *args, 0) + data0 + data1)
        reply = self.connection.recv(65536)
        fields = REP.unpack_from(reply)
        if fields[2] < 0:
            raise OSError(-fields[2], os.strerror(-fields[2]))
        body = reply[REP.size:]
        return fields, body[:fields[4]], body[fields[4]:]

    # ---- the guest's own view ----

    def read(self, domid, address, size):
        return self.call(READ_PHYS, domid, (address, size))[1]

    def control(self, domid, value):
        self.call(WRITE_PHYS, domid, (CONTROL,), struct.pack("<I", value))

    def counters(self, domid):
        """[{name: value}] of each vCPU."""
        result = []
        for vcpu in range(self.vcpus[domid - 1]):
            block = self.read(domid, LAYOUT + 4096 + 512 * vcpu, 512)
            result.append({name: struct.unpack_from("<Q", block, 64 * i)[0]
                           for i, name in enumerate(COUNTERS)})
        return result

    def total(self, domid, name):
        return sum(c[name] for c in self.counters(domid))

    def done(self, domid):
        phases = self.read(domid, PHASE, self.vcpus[domid - 1])
        return all(p == DONE for p in phases)

    def stop_guest(self, domid):
        """Each vCPU ends after the iteration under way."""
        self.control(domid, STOP)
        wait_for("the guest to stop", lambda: self.done(domid))

    def progress(self, domid):
        """Each vCPU gets on by an iteration at least."""
        before = [c["iterations"] for c in self.counters(domid)]
        wait_for("every vCPU to make progress", lambda: all(
            c["iterations"] > b
            for c, b in zip(self.counters(domid), before)))

    # ---- Xen's view ----

    ARMED = 3

    def _info(self, domid, first, nr):
        op = struct.pack("<IIIIQII", DMOP_VM_EVENT, 0, CMD_INFO, 0, 0, first,
                         nr)
        return self.call(DM_OP, domid, (), op.ljust(128, b"\0"),
                         b"\0" * VCPU_INFO.size * nr)[1:]

    def state(self, domid):
        return struct.unpack_from("<I", self._info(domid, 0, 1)[0], 24 + 8)[0]

    def info(self, domid):
        """(pending, [{name: value}] of each vCPU)."""
        nr = self.vcpus[domid - 1]
        result = []
        pending = 0
        while len(result) < nr:
            some = min(32, nr - len(result))
            head, body = self._info(domid, len(result), some)
            pending = struct.unpack_from("<I", head, 24 + 24)[0]
            for i in range(some):
                v = VCPU_INFO.unpack_from(body, i * VCPU_INFO.size)
                result.append(dict(zip(INFO, v), pending=v[-1]))
        return pending, result
