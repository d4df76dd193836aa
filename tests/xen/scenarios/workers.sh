# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A guest of 64 vCPUs whose synchronous requests are answered by the doorbell
# alone, by four threads with the ports of 16 slots each, and by processes of
# which one is killed: its requests become the main handle's.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan doorbell threads killed
vcpus=64 each=${RIG_EVENTS_EACH:-150}

main_is_there() { grep -q '^main:' /tmp/main.out; }
joined() { [ "$(grep -c "vCPUs have a port" /tmp/main.out)" = "$1" ]; }
worker_is_there() { grep -q '^worker' /tmp/worker.out; }
nr_done() { guestmem "$DOMID" show | grep -c phase=done; }
some_done() { [ "$(nr_done)" -ge "$1" ]; }

# begin WORKERS: a guest that waits and the main handle.
begin()
{
    guest_boot "$vcpus" gr reply "count=$each" || return 1
    : >/tmp/main.out
    vcpu-workers --reply "$DOMID" "$1" >/tmp/main.out 2>&1 &
    main=$!
    wait_until 60 main_is_there
}

# end: leaves /tmp/counts and /tmp/main.out.
end()
{
    guestmem "$DOMID" wait-done 240 || note "not done"
    guestmem "$DOMID" show >/tmp/counts
    kill -TERM "$main"
    wait "$main"
    status=$?
    guest_destroy
    cat /tmp/main.out
    grep ^total /tmp/counts
}

# judge_run NAME TEXT: guest and Xen agree, and no reply was wrong.
judge_run()
{
    want=$((vcpus * each))
    if [ "$status" = 0 ] && [ "$(total checked /tmp/counts)" = $want ] &&
        [ "$(total mismatched /tmp/counts)" = 0 ] &&
        grep -q "^xen: raised=$want answered=$want bad=0" /tmp/main.out; then
        pass "$1" "$want requests answered and checked: $2"
    else
        fail "$1" "exit $status; guest: $(grep ^total /tmp/counts); $(tr '\n' ';' </tmp/main.out)"
    fi
}

# answered WHO: what that handle says that it answered.
answered() { sed -n "s/^$1: answered=//p" /tmp/main.out; }

if begin 0; then
    guestmem "$DOMID" run
    end
    [ "$(answered main)" = $((vcpus * each)) ] || status='main missed some'
    judge_run doorbell "one handle"
fi

if begin 4; then
    wait_until 60 joined 5 || note "not all workers came"
    guestmem "$DOMID" run
    end
    sum=0
    for first in 0 16 32 48; do
        [ "$(answered "worker $first")" = $((16 * each)) ] ||
            status="worker $first missed some"
        sum=$((sum + $(answered "worker $first")))
    done
    [ "$(answered main)" = 0 ] || status='main had some'
    judge_run threads "$sum of them by four workers, none by the main handle"
fi

# Stopped with requests of its vCPUs that it will never answer, and then killed.
if begin ports; then
    : >/tmp/worker.out
    vcpu-workers --reply "$DOMID" 0-15 >/tmp/worker.out 2>&1 &
    worker=$!
    wait_until 60 worker_is_there || note "no worker"
    kill -STOP "$worker"
    guestmem "$DOMID" run
    wait_until 120 some_done 48 || note "the others do not go on"
    went_on=$(nr_done)
    kill -KILL "$worker"
    wait "$worker"
    end
    [ "$went_on" = 48 ] || status="$went_on-vcpus-were-done-before"
    judge_run killed "48 vCPUs went on while a worker stood still, 16 after it was killed"
fi
