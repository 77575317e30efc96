#!/bin/sh
# Runs what an image would hold under the constraints of its container: image.sh ROOT USER "ENTRYPOINT CMD" "HEALTHCHECK"
#
#   unshare --mount --net --pid    every port is free, and nothing outlives it
#     ROOT read-only, but for two folders
#       chroot, another user, no capability, no new privileges
#
# Needs root, or sudo without a password. Ends at the first thing that is not as it should be.
set -eu

if [ "${5:-}" != inside ]; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo --non-interactive"
    # shellcheck disable=SC2086  # two words, or none
    exec $as_root unshare --mount --net --pid --fork --kill-child -- "$0" "$1" "$2" "$3" "$4" inside
fi

root="$1" user="$2" run="$3" health="$4"
fail() {
    echo "image: FAILED: $*" >&2
    cat "$root.log" >&2 2>/dev/null || true
    exit 1
}
mount --make-rprivate /
mount -t proc proc /proc
mkdir -p "$root/proc" "$root/var/log/imapwarden" "$root/var/lib/imapwarden"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for folder in log lib; do
    mount -t tmpfs -o "mode=0700,uid=${user%:*},gid=${user#*:}" tmpfs "$root/var/$folder/imapwarden"
done
mount -o remount,ro,bind "$root"
ip link set lo up
# As container engines do it: there are no privileged ports in a network of one's own.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start

[ ! -e "$root/bin/sh" ] && [ ! -e "$root/usr/bin/sh" ] || fail "there is a shell"
contained() {
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --no-new-privs --bounding-set -all,+sys_chroot,+setuid,+setgid \
        chroot --userspec="$user" --groups= "$root" "$@"
}
# shellcheck disable=SC2086  # words
contained $run >"$root.log" 2>&1 &
process=$!
tries=600
# shellcheck disable=SC2086
until (contained $health) >/dev/null 2>&1; do
    kill -0 "$process" 2>/dev/null || fail "it has ended"
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "it is never healthy"
    sleep 0.1
done
[ "$(stat --format '%u:%g' "/proc/$process")" = "$user" ] || fail "it is another user: $(stat --format '%u:%g' "/proc/$process")"
grep --quiet '^CapEff:[[:space:]]*0000000000000000$' "/proc/$process/status" || fail "it has capabilities"
grep --quiet '^NoNewPrivs:[[:space:]]*1' "/proc/$process/status" || fail "it may take privileges"
ls "$root"/var/log/imapwarden/*.jsonl >/dev/null || fail "there is no log"
kill -TERM "$process"
kill -TERM "$process" # nobody is connected: at once
wait "$process" || fail "it ended badly"
echo "image: done"
