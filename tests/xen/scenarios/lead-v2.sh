. /lib.sh
plan v2-sync v2-async
one() { # mode
guest_boot 2 "count=${4:-50}" gr $3 || return 1
dom=$DOMID
( vmi-agent --domid "$dom" --abi $1 -e "guest-request:$2" -o text --duration 15 ${5:-} --per-vcpu $( [ -n "$3" ] && echo --reply ) ; echo "agent rc $?" ) >/tmp/agent 2>&1 &
a=$!
wait_for_line "${WL:-vcpu}" /tmp/agent 3 || true
guestmem "$dom" run
guestmem "$dom" wait-done 10
vmi-agent --status "$dom"
wait $a
guestmem "$dom" show
head -40 /tmp/agent; tail -8 /tmp/agent
guest_destroy
}
vmi-agent --version
one v2 sync reply
pass v2-sync x
one v2 async "" 2000 -q
pass v2-async x
xl dmesg | tail -5
