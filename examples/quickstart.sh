#!/bin/sh
# One guest's whole life on a fresh Debian machine, with nothing to download but packages: defined, started, watched,
# saved, restored, moved to another disk while it runs, and stopped. As root, or as a user who may sudo (only to install
# packages). Ends non-zero at the first step that does not hold; leaves nothing but the virtual environment .venv/.
set -eu
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

say() {
    printf '\n=== %s\n' "$*"
}

fail() {
    printf '\nquickstart: this does not hold: %s\n' "$*" >&2
    exit 1
}

# indented FILE...: their lines that are not empty.
indented() {
    awk 'NF { gsub("\r", ""); print "    " $0 }' "$@"
}

# run COMMAND...: shows a command, then what it says; its output is kept in $work/out and $work/err.
run() {
    echo "\$ $*"
    status=0
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    indented "$work/out" "$work/err"
    [ "$status" = 0 ] || fail "'$*' ended with exit status $status"
}

# expect WORDS: what the last command said contains them.
expect() {
    grep -qF -- "$1" "$work/out" "$work/err" || fail "the answer contains \"$1\""
}

# watch_serial: three lines of the guest's serial port; the number of the last is left in $count.
watch_serial() {
    tty=$(virtctl --quiet ttyconsole "$1")
    echo "\$ head $tty"
    timeout 20 cat "$tty" 2>/dev/null | grep --line-buffered -o '^counter [0-9]\{8\}' | head -n 3 >"$work/serial" || true
    sed 's/^/    /' "$work/serial"
    [ "$(wc -l <"$work/serial")" = 3 ] || fail "the guest counts on its serial port"
    count=$(sed -n '3s/counter 0*//p' "$work/serial")
}

# on_disk IMAGE: the number that the guest wrote to this image last.
on_disk() {
    dd if="$1" bs=512 skip=1 count=1 2>/dev/null | tr -d '\000\r' | sed -n 's/^counter 0*\([0-9][0-9]*\)$/\1/p'
}

# grows IMAGE: the guest writes to this image now.
grows() {
    first=$(on_disk "$1")
    tries=0
    while [ "$(on_disk "$1")" = "$first" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || return 1
        sleep 0.1
    done
}

clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    for guest in counter logging; do
        if [ -n "$(virtctl --quiet domid "$guest" 2>/dev/null | tr -d ' -')" ]; then
            virtctl --quiet destroy "$guest" >/dev/null 2>&1 || true
        fi
    done
    for pidfile in "$work"/root/run/qemu/*/qemu.pid; do
        if [ -f "$pidfile" ]; then kill "$(cat "$pidfile")" 2>/dev/null || true; fi
    done
    rm -rf "$work"
    exit "$status"
}

say "What is needed: QEMU, a virtual environment, virtctl in it"
packages=
for package in qemu-system-x86 qemu-utils seabios python3-venv; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) packages="$packages $package" ;;
    esac
done
if [ -n "$packages" ]; then
    echo "installing$packages"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
if [ ! -x .venv/bin/python ]; then
    python=python3
    "$python" -c 'import sys, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null || python=/usr/bin/python3
    "$python" -m venv .venv
fi
[ -x .venv/bin/virtctl ] || .venv/bin/python -m pip install -q --disable-pip-version-check --root-user-action=ignore --config-settings editable_mode=compat -e .
PATH=$PWD/.venv/bin:$PATH
work=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export VIRTCTL_ROOT="$work/root" # all state of this run; without it: /etc/virtctl, /var/lib/virtctl, ...
run virtctl version
expect "QEMU"

say "A disk with a guest in its first sector, and the document that describes the machine"
run python examples/counter_guest.py "$work/counter.img"
sed "s|/var/lib/virtctl/images|$work|" examples/counter.xml >"$work/counter.xml"
sed -e "s|/var/lib/virtctl/images|$work|" -e "s|/mnt/logdisk|$work/broken-log-disk|" examples/logging.xml >"$work/logging.xml"
run virtctl define "$work/counter.xml"
expect "Domain 'counter' defined from $work/counter.xml"

say "Start it, and follow its serial output"
run virtctl start counter
expect "Domain 'counter' started"
run virtctl list --all
expect "running"
watch_serial counter
run virtctl dumpxml counter
expect "<name>counter</name>"
expect "<source file='$work/counter.img'"

say "Save it to a file: it stops, its memory is kept"
run virtctl save counter "$work/counter.save"
expect "Domain 'counter' saved to $work/counter.save"
run virtctl domstate counter --reason
expect "shut off (saved)"
saved=$(on_disk "$work/counter.img")
[ "$saved" -ge "$count" ] || fail "the count on the disk ($saved) is at least the one seen ($count)"

say "Restore it: it goes on counting where it was"
run virtctl restore "$work/counter.save"
expect "Domain restored from $work/counter.save"
watch_serial counter
echo "saved at $saved, now at $count"
[ "$count" -gt "$saved" ] && [ "$count" -lt $((saved + 300)) ] || fail "the count goes on from $saved"

say "Move it to another disk while it runs: copy, then pivot"
run virtctl blockcopy counter vda "$work/copy.img" --transient-job --wait --verbose
expect "Now in mirroring phase"
run virtctl blockjob counter vda --info
run virtctl blockjob pivot counter vda
run virtctl domblklist counter
expect "$work/copy.img"
grows "$work/copy.img" || fail "the guest writes to the new disk"
old=$(on_disk "$work/counter.img")
grows "$work/copy.img" || fail "the guest goes on writing to the new disk"
new=$(on_disk "$work/copy.img")
echo "old disk stays at $old, new disk is at $new"
[ "$old" = "$(on_disk "$work/counter.img")" ] && [ "$new" -gt "$old" ] || fail "nothing is written to the old disk any more"
run virtctl domstate counter
expect "running"

say "A second guest, whose serial log is on a disk that has failed: startupPolicy='optional' starts it all the same"
run virtctl define "$work/logging.xml"
run virtctl start logging
expect "Domain 'logging' started"
run virtctl dumpxml logging --xpath "//serial/source" --wrap
expect "/dev/null"
run virtctl dumpxml logging --inactive --xpath "//serial/source" --wrap
expect "$work/broken-log-disk/counter.log"
grows "$work/counter.img" || fail "the guest runs without its log"
run virtctl destroy logging
virtctl dumpxml logging --inactive | sed 's/optional/mandatory/' >"$work/mandatory.xml"
run virtctl define "$work/mandatory.xml"
echo "\$ virtctl start logging        # with startupPolicy='mandatory'"
if virtctl start logging >"$work/out" 2>&1; then fail "'mandatory' does not start without its log"; fi
indented "$work/out"
grep -qF "$work/broken-log-disk/counter.log" "$work/out" || fail "the refusal names the log"

say "Stop and forget"
run virtctl destroy counter
expect "Domain 'counter' destroyed"
run virtctl undefine counter
expect "Domain 'counter' has been undefined"
run virtctl undefine logging
run virtctl list --all
if grep -qE 'counter|logging' "$work/out"; then fail "nothing is left"; fi
say "All of it held."
