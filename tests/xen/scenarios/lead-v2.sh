. /lib.sh
PATH=$PATH:/usr/sbin
plan v2
one() { # abi mode words count vcpus agentopts
guest_boot $5 "count=$4" gr $3 || return 1
dom=$DOMID
vmi-agent --domid "$dom" --abi $1 -e "guest-request:$2" -o text --duration 60 -q --per-vcpu $6 >/tmp/agent 2>&1 &
a=$!
i=0; while [ $i -lt 50 ] && ! vmi-agent --status "$dom" | grep -q "channel armed\|legacy"; do i=$((i+1)); usleep 50000; done
t0=$(cut -d' ' -f1 /proc/uptime)
guestmem "$dom" run
guestmem "$dom" wait-done 40
t1=$(cut -d' ' -f1 /proc/uptime)
kill -TERM $a; wait $a; echo "agent rc $? $t0 $t1"
guestmem "$dom" show | tail -1
cat /tmp/agent | tail -6
guest_destroy
}
echo == v2 sync 12; one v2 sync reply 500 12 --reply
echo == legacy sync 12; one legacy sync reply 500 12 --reply
echo == v2 async 12; one v2 async "" 5000 12 "--ring 64K --batch-sleep 1000"
echo == v2 sync 64; one v2 sync reply 100 64 --reply
echo == v2 sync 128; one v2 sync reply 50 128 --reply
echo == legacy sync 128; one legacy sync reply 50 128 --reply
echo == split 12; one v2 async "" 5000 12 "--split-rings"
xl debug-keys k; xl dmesg | tail -12
pass v2 x
