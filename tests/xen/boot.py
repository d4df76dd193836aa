#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots Xen and dom0 under QEMU and collects what the scenarios report.

The console goes to a log with time stamps. Results come through the second
serial port, line by line (see dom0/init): PLAN announces a test, RESULT
reports it, FILE hands out a file. Results are written as lines
"pass|fail|skip SUITE.NAME TEXT", one per test; a test that was announced and
not reported, a scenario that announced none or did not end, and a panic are
failures.
"""

import argparse
import base64
import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

# Why each: SMAP kills dom0 in iretq, RDTSCP kills Linux guests, XSAVE does not
# heed CR0.TS, so that processes lose their vector registers (scenario xmm) -
# faults of the emulation.
CPU = "max,-smap,-rdtscp,-xsave,-avx,-avx2,-pku"
XEN_ARGS = ("console=com1 com1=115200,8n1 loglvl=info guest_loglvl=info "
            "conring_size=1m dom0_mem=768M,max:768M dom0_max_vcpus=1 "
            "dom0_vcpus_pin sched=credit2")
DOM0_ARGS = ("console=hvc0 earlyprintk=xen quiet nokaslr mitigations=off "
             "panic=5 8250.nr_uarts=4")
# Xen's messages would stand in the middle of what dom0 writes to its console.
XEN_ARGS_ARM64 = ("console=dtuart dtuart=/pl011@9000000 loglvl=error "
                  "guest_loglvl=none conring_size=1m dom0_mem=320M "
                  "dom0_max_vcpus=1 dom0_vcpus_pin sched=credit2")
DOM0_ARGS_ARM64 = ("console=hvc0 earlycon=xenboot quiet loglevel=2 nokaslr "
                   "mitigations=off panic=5")
PANIC = re.compile(
    r"Panic on CPU|Kernel panic|FATAL TRAP|Xen BUG at|DOUBLE FAULT|"
    r"Assertion '.*' failed|Hardware Dom0 (crashed|halted)")


class Results:
    """What the second serial port said, as results."""

    def __init__(self, scenarios, files_dir):
        self.scenarios = scenarios
        self.files_dir = files_dir
        self.planned = []
        self.results = {}
        self.ended = {}
        self.off = False
        self._file = None

    def line(self, line):
        """Takes one line; returns text to show as progress, or None."""
        if self._file is not None and not line.startswith("RIG "):
            self._file[1].append(line)
            return None
        if not line.startswith("RIG "):
            return None
        word, _, rest = line[4:].partition(" ")
        method = getattr(self, "_on_" + word.replace("-", "_").lower(), None)
        return method(rest) if method else None

    def _on_plan(self, rest):
        self.planned.append(rest.strip())

    def _on_result(self, rest):
        name, result, text = (rest.split(" ", 2) + ["", ""])[:3]
        if result not in ("pass", "fail", "skip"):
            result, text = "fail", "unknown result: " + rest
        # The worst wins, should a test report twice.
        order = ["pass", "skip", "fail"]
        old = self.results.get(name)
        if old is None or order.index(result) > order.index(old[0]):
            self.results[name] = (result, text)
        return "%s %s %s" % (result, name, text)

    def _on_note(self, rest):
        return "note " + rest

    def _on_show(self, rest):
        # For the reader's eyes: as it is, without time stamp.
        print(rest, flush=True)

    def _on_begin(self, rest):
        return "scenario " + rest

    def _on_end(self, rest):
        name, _, status = rest.partition(" ")
        self.ended[name] = status

    def _on_file(self, rest):
        self._file = (os.path.basename(rest.strip()), [])

    def _on_file_end(self, _rest):
        if self._file is None:
            return
        name, lines = self._file
        self._file = None
        with open(os.path.join(self.files_dir, name), "wb") as out:
            out.write(base64.b64decode("".join(lines)))

    def _on_off(self, _rest):
        self.off = True

    def final(self, trouble):
        """All results as (result, name, text), failures for what is missing."""
        out = []
        for name, (result, text) in self.results.items():
            if name not in self.planned:
                result, text = "fail", "reported but not planned: " + text
            out.append((result, name, text))
        for name in self.planned:
            if name not in self.results:
                out.append(("fail", name, "planned but not reported" +
                            (" (%s)" % trouble if trouble else "")))
        for scenario in self.scenarios:
            if not any(p.startswith(scenario + ".") for p in self.planned):
                out.append(("fail", scenario, trouble or "announced no test"))
            elif scenario not in self.ended:
                out.append(("fail", scenario, trouble or "did not end"))
            elif self.ended[scenario] != "0":
                out.append(("fail", scenario,
                            "ended with status " + self.ended[scenario]))
        if trouble:
            out.append(("fail", "boot", trouble))
        return out


def make_overlay(directory, args):
    """The archive with init, library and scenarios; returns its path."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.join(directory, "overlay")
    os.makedirs(os.path.join(root, "scenarios"))
    os.makedirs(os.path.join(root, "etc"))
    shutil.copy(os.path.join(here, "dom0", "init"), root)
    shutil.copy(os.path.join(here, "dom0", "lib.sh"), root)
    shutil.copy(os.path.join(here, "dom0", "profile"),
                os.path.join(root, "etc"))
    folders = args.scenarios + [os.path.join(here, "scenarios")]
    for name in args.scenario:
        paths = [os.path.join(folder, name + ".sh") for folder in folders]
        shutil.copy(next(path for path in paths if os.path.exists(path)),
                    os.path.join(root, "scenarios"))
    payloads = os.path.join(args.xen, "livepatch")
    if os.path.isdir(payloads):
        shutil.copytree(payloads, os.path.join(root, "livepatch"))
    with open(os.path.join(root, "etc", "rig.conf"), "w") as conf:
        conf.write('RIG_SCENARIOS="%s"\n' % " ".join(args.scenario))
        conf.write('RIG_SHELL="%s"\n' % ("1" if args.shell else ""))
        conf.write('RIG_LIMIT="%d"\n' % args.limit)
        for setting in args.set:
            name, _, value = setting.partition("=")
            conf.write('%s="%s"\nexport %s\n' % (name, value, name))
    archive = os.path.join(directory, "overlay.cpio")
    names = subprocess.run(["find", "."], cwd=root, check=True,
                           stdout=subprocess.PIPE).stdout
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                       cwd=root, input=names, stdout=out, check=True)
    return archive


def make_initrd(directory, args):
    """Archives one after the other: the kernel unpacks them in order."""
    initrd = os.path.join(directory, "initrd")
    parts = [os.path.join(args.dom0, "base.cpio")] + args.layer
    with open(initrd, "wb") as out:
        for part in parts + [make_overlay(directory, args)]:
            with open(part, "rb") as archive:
                shutil.copyfileobj(archive, out)
    return initrd


def qemu_command_arm64(args, initrd):
    """The machine has one serial port, so results come with the console."""
    loader = "guest-loader,addr=%s,"
    return ["qemu-system-aarch64", "-machine",
            "virt,virtualization=on,gic-version=3", "-accel", "tcg",
            "-cpu", "cortex-a57", "-smp", "1", "-m", args.memory,
            "-display", "none", "-no-reboot", "-net", "none",
            *(["-icount", "shift=3,sleep=off"] if args.icount else []),
            "-monitor", "none", "-serial", "stdio",
            "-kernel", os.path.join(args.xen, "xen"),
            "-append", (XEN_ARGS_ARM64 + " " + args.xen_args).strip(),
            "-device", loader % "0x44000000" + "kernel=%s,bootargs=%s" % (
                os.path.join(args.dom0, "Image"),
                DOM0_ARGS_ARM64.replace(",", ",,")),
            # Lower, and Xen finds its own heap in the way.
            "-device", loader % "0x4a000000" + "initrd=" + initrd]


def qemu_command(args, initrd, results_port):
    if args.arch == "arm64":
        return qemu_command_arm64(args, initrd)
    kernel = os.path.join(args.dom0, "vmlinux")
    xen_args = (XEN_ARGS + " " + args.xen_args).strip()
    # A comma ends a module's arguments unless it is doubled.
    module_args = DOM0_ARGS.replace(",", ",,")
    return [args.qemu, "-machine", "q35", "-accel", "tcg", "-cpu", args.cpu,
            "-smp", str(args.cpus), "-m", args.memory, "-display", "none",
            "-no-reboot", "-net", "none", "-monitor", "none",
            *(["-icount", "shift=3,sleep=off"] if args.icount else []),
            "-serial", "mon:stdio", "-serial", results_port,
            "-kernel", os.path.join(args.xen, "xen"), "-append", xen_args,
            "-initrd", "%s %s,%s" % (kernel, module_args, initrd)]


class LineReader:
    """Splits what arrives on a file descriptor into lines."""

    def __init__(self, fd):
        self.fd = fd
        self._rest = b""

    def lines(self):
        """New whole lines; None at the end of the file."""
        data = os.read(self.fd, 65536)
        if not data:
            return None
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        return [p.decode("latin-1").rstrip("\r") for p in parts]


def watch(args, command, results, log):
    """Runs QEMU until it ends, panics or exceeds the time; returns trouble."""
    read_fd, write_fd = os.pipe()
    one_port = "RESULTS" not in command
    if not one_port:
        command[command.index("RESULTS")] = "file:/dev/fd/%d" % write_fd
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, pass_fds=[write_fd])
    os.close(write_fd)
    console, port = LineReader(process.stdout.fileno()), LineReader(read_fd)
    selector = selectors.DefaultSelector()
    selector.register(console.fd, selectors.EVENT_READ, console)
    selector.register(port.fd, selectors.EVENT_READ, port)
    trouble, deadline = None, start + args.timeout
    lines_left = 500    # of what follows a panic: some repeat for ever

    while selector.get_map():
        left = deadline - time.monotonic()
        if left <= 0:
            trouble = trouble or "not finished after %d s" % args.timeout
            break
        for key, _ in selector.select(left):
            lines = key.data.lines()
            if lines is None:
                selector.unregister(key.fd)
                continue
            stamp = time.monotonic() - start
            for line in lines:
                if key.data is port or one_port:
                    text = results.line(line)
                    if text:
                        print("  %6.1f  %s" % (stamp, text), flush=True)
                if key.data is port:
                    continue
                if trouble and lines_left <= 0:
                    continue
                lines_left -= 1 if trouble else 0
                log.write("%8.2f %s\n" % (stamp, line))
                log.flush()
                if not trouble and PANIC.search(line):
                    trouble = "panic: " + line.strip()
                    # Long enough for the registers and the call trace.
                    deadline = min(deadline, time.monotonic() + 3)
    if process.poll() is None and (trouble or not results.off):
        process.kill()
    process.wait()
    os.close(read_fd)
    if not trouble and not results.off:
        trouble = "the machine went off before the scenarios had ended"
    return trouble


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--xen", required=True, help="result of build-xen.sh")
    parser.add_argument("--dom0", required=True,
                        help="result of build-dom0.sh")
    parser.add_argument("--layer", action="append", default=[],
                        help="archive to add to dom0's initramfs")
    parser.add_argument("--scenario", action="append", default=[],
                        help="name of a script in scenarios/")
    parser.add_argument("--scenarios", action="append", default=[],
                        help="folder to look for them in first")
    parser.add_argument("--set", action="append", default=[],
                        help="NAME=VALUE for the scenarios")
    parser.add_argument("--xen-args", default="")
    parser.add_argument("--arch", choices=["x86_64", "arm64"],
                        default="x86_64")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--cpu", default=CPU)
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--cpus", type=int, default=1,
                        help="more than one only with --icount, which has them "
                        "take turns: on busy host CPUs they starve each other")
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--limit", type=int, default=300,
                        help="longest time of one scenario, in seconds")
    parser.add_argument("--icount", action="store_true",
                        help="a clock that counts the machine's instructions")
    parser.add_argument("--out", help="folder for log, results and files")
    parser.add_argument("--shell", action="store_true",
                        help="a shell in dom0 on this terminal")
    return parser.parse_args()


def run_shell(args, directory):
    # Xen's words on each new guest would stand between the prompt and its user.
    args.xen_args += " loglvl=warning guest_loglvl=warning"
    command = qemu_command(args, make_initrd(directory, args), "null")
    return subprocess.call(command)


def run_scenarios(args, directory):
    os.makedirs(args.out, exist_ok=True)
    log_path = os.path.join(args.out, "console.log")
    results = Results(args.scenario, args.out)
    command = qemu_command(args, make_initrd(directory, args), "RESULTS")
    with open(log_path, "w") as log:
        trouble = watch(args, command, results, log)
    final = results.final(trouble)
    with open(os.path.join(args.out, "results"), "w") as out:
        for result, name, text in final:
            out.write("%s %s %s\n" % (result, name, text))
    failed = [r for r in final if r[0] == "fail"]
    for _, name, text in failed:
        print("  failed: %s %s" % (name, text))
    print("  console log: %s" % log_path, flush=True)
    return 1 if failed else 0


def main():
    args = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="vmi-ring-boot-") as directory:
        if args.shell:
            return run_shell(args, directory)
        if not args.out:
            sys.exit("--out is needed")
        return run_scenarios(args, directory)


if __name__ == "__main__":
    sys.exit(main())
