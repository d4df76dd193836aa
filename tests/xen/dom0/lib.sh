# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by dom0's init and by every scenario. A scenario announces its tests
# with `plan`, then reports each with `pass`, `fail` or `skip`; a test that was
# announced and not reported counts as failed (boot.py).

export PATH=/usr/bin:/usr/sbin:/usr/lib/xen-4.17/bin

# Whole lines to the host; see init.
RIG_PORT=${RIG_PORT:-/dev/ttyS1}
[ -c "$RIG_PORT" ] || RIG_PORT=/dev/console

SUITE=$(basename "$0" .sh)

rig_say()
{
    echo "RIG $*" >"$RIG_PORT"
    [ "$RIG_PORT" = /dev/console ] || echo "RIG $*"
}

plan()
{
    for name in "$@"; do
        rig_say "PLAN $SUITE.$name"
    done
}

report()
{
    result=$1 name=$2
    shift 2
    rig_say "RESULT $SUITE.$name $result $*"
}

pass() { report pass "$@"; }
fail() { report fail "$@"; }
skip() { report skip "$@"; }

# judge NAME TEXT COMMAND...: pass when the command succeeds, else fail.
judge()
{
    judge_name=$1 judge_text=$2
    shift 2
    if "$@"; then
        pass "$judge_name" "$judge_text"
    else
        fail "$judge_name" "$judge_text ($* failed)"
    fi
}

# note TEXT: a line for whoever reads the log.
note()
{
    rig_say "NOTE $SUITE $*"
}

# hand_out FILE [NAME]: gives a file to the host, which keeps it beside the log.
hand_out()
{
    rig_say "FILE ${2:-$(basename "$1")}"
    base64 "$1" >"$RIG_PORT"
    rig_say "FILE-END"
}

# One domain at a time is what most scenarios want: its number.
DOMID=

# guest_create VCPUS WORDS...: a paused test guest.
guest_create()
{
    vcpus=$1
    shift
    cat >/tmp/guest.cfg <<CFG
name = "guest"
type = "pvh"
kernel = "${RIG_GUEST:-/guest/guest.elf}"
memory = 32
vcpus = $vcpus
extra = "smp=$vcpus $*"
on_crash = "preserve"
on_poweroff = "preserve"
on_reboot = "preserve"
on_watchdog = "preserve"
CFG
    if ! xl create -q -p /tmp/guest.cfg; then
        note "xl create failed (vcpus=$vcpus)"
        return 1
    fi
    DOMID=$(xl domid guest)
}

# guest_boot VCPUS WORDS...: a guest whose vCPUs are all up and wait for
# `guestmem run`, so that nothing of its boot is an event. They come up one after
# the other, which takes a debug build of Xen half a second each on a busy
# machine: the limit is far above that. A guest that fails is not left behind.
guest_boot()
{
    vcpus=$1
    shift
    guest_create "$vcpus" wait "$@" || return 1
    xl unpause guest
    if ! guestmem "$DOMID" wait-ready $((120 + 2 * vcpus)); then
        note "the guest's vCPUs did not all come up: $(guestmem "$DOMID" show |
            grep -c phase=waiting) of $vcpus wait"
        guest_destroy
        return 1
    fi
}

# Paused first: dom0 competes with the guest for one CPU.
guest_destroy()
{
    xl pause guest 2>/dev/null
    xl destroy guest 2>/dev/null
    DOMID=
}

# domain_dump: what Xen's own debug key says of the domain: its references and
# which of its vCPUs are paused, as "refcnt=N paused=N vcpus=N,N". A vCPU that
# sleeps in a waitqueue holds a reference of its domain, which nothing else shows.
domain_dump()
{
    xl dmesg -c >/dev/null
    xl debug-keys q
    # The handler prints from a softirq; its last line for a domain is on vCPUs.
    wait_until 5 dump_is_there
    awk -v domain="$DOMID:" '
        /General information for domain/ { on = $NF == domain }
        on && match($0, /refcnt=[0-9]+/) { ref = substr($0, RSTART + 7, RLENGTH - 7) }
        on && match($0, /VCPU[0-9]+:/) { vcpu = substr($0, RSTART + 4, RLENGTH - 5) }
        on && /pause_count=[0-9]+ pause_flags/ {
            match($0, /pause_count=[0-9]+/)
            if (substr($0, RSTART + 12, RLENGTH - 12) > 0) {
                paused++
                which = which "," vcpu
            }
        }
        END { printf "refcnt=%d paused=%d vcpus=%s\n", ref, paused, substr(which, 2) }' /tmp/dump
}

dump_is_there()
{
    xl dmesg >/tmp/dump
    [ "$(awk -v domain="$DOMID:" '
        /General information for domain/ { on = $NF == domain }
        on && /pause_flags/ { n++ } END { print n + 0 }' /tmp/dump)" -ge "$vcpus" ]
}

# refcnt_of, paused_of and vcpus_of take apart what domain_dump printed.
refcnt_of() { echo "$1" | sed 's/refcnt=\([0-9]*\).*/\1/'; }
paused_of() { echo "$1" | sed 's/.* paused=\([0-9]*\).*/\1/'; }
vcpus_of() { echo "$1" | sed 's/.*vcpus=//'; }

# total KEY FILE: the value of KEY in the last line that begins with "total ".
total()
{
    sed -n "s/^total .*\b$1=\([0-9]*\).*/\1/p" "$2" | tail -n 1
}

# vcpu_value KEY FILE V: likewise of the last line "vcpu V ".
vcpu_value()
{
    sed -n "s/^vcpu $3 .*\b$1=\([0-9]*\).*/\1/p" "$2" | tail -n 1
}

# spread KEY FILE: smallest and largest value of KEY over the vCPU lines.
spread()
{
    sed -n "s/^vcpu .*\b$1=\([0-9]*\).*/\1/p" "$2" | sort -n |
        sed -n '1p;$p' | tr '\n' ' '
}

# agent ABI OPTION...: vmi-agent, where the v2 one finds no libxenctrl.
agent()
{
    abi=$1
    shift
    if [ "$abi" = v2 ]; then
        chroot /agent /usr/sbin/vmi-agent "$@"
    else
        vmi-agent "$@"
    fi
}

# agent_start ABI OPTION...: in the background, on the guest; its output goes
# to /tmp/agent.out and /tmp/agent.err. Returns when it is attached, for which
# dom0 competes with the guest's vCPUs.
agent_start()
{
    abi=$1
    shift
    : >/tmp/agent.out
    : >/tmp/agent.err
    if [ "$abi" = v2 ]; then
        # exec, so that AGENT is the agent itself and can be signalled.
        (exec chroot /agent /usr/sbin/vmi-agent --domid "$DOMID" --abi v2 \
            -o text "$@" >/tmp/agent.out 2>/tmp/agent.err) &
    else
        (exec vmi-agent --domid "$DOMID" --abi "$abi" \
            -o text "$@" >/tmp/agent.out 2>/tmp/agent.err) &
    fi
    AGENT=$!
    if ! wait_for_line '^# watching' /tmp/agent.out $((60 + 2 * ${vcpus:-1})); then
        note "vmi-agent did not attach: $(tr '\n' ' ' </tmp/agent.err)"
        return 1
    fi
}

# agent_stop: ends it as an operator would; its exit status.
agent_stop()
{
    kill -INT "$AGENT"
    wait "$AGENT"
}

# free_pages: by Xen's own account. Its heap costs a page now and then, watched
# guests or not (fragments of small allocations): FREE_SLACK of them are no leak.
# A channel has four at least.
# shellcheck disable=SC2034 # by the scenarios
FREE_SLACK=6
free_pages()
{
    # arm64's rig has no place for what Xen prints on its console.
    if command -v freepages >/dev/null; then
        freepages
        return
    fi
    xl dmesg -c >/dev/null
    xl debug-keys H
    xl dmesg | awk '/heap\[node=/ { n += $(NF - 1) } END { print n + 0 }'
}

# free_memory: what xl says, in MiB rounded down. After many guests one less is
# a page at the edge.
free_memory() { xl info | awk '/^free_memory/ { print $3 }'; }

# wait_for_line PATTERN FILE SECONDS
wait_for_line()
{
    wait_until "$3" grep -q -- "$1" "$2"
}

# wait_until SECONDS COMMAND...
wait_until()
{
    wait_end=$(($(uptime_seconds) + $1))
    shift
    while ! "$@" 2>/dev/null; do
        [ "$(uptime_seconds)" -lt $wait_end ] || return 1
        usleep 50000
    done
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }

rig_reset()
{
    for domain in $(xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $2 }'); do
        xl pause "$domain" 2>/dev/null
        xl destroy "$domain" 2>/dev/null
    done
}
