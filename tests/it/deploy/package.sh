#!/bin/sh
# Installs the package, upgrades, removes and purges it, and installs it again: package.sh FOLDER OLD.deb NEW.deb
#
#   unshare --mount --net --pid    nobody outside sees what is mounted, every port is free, and nothing outlives it
#     overlay: / below, FOLDER above     dpkg and its database are this system's; what it changes goes to FOLDER
#       chroot                       dpkg --install, imapwarden under the constraints of its unit, dpkg --purge
#
# FOLDER is a tmpfs of this run's own. Needs root, or sudo without a password. Says each step; ends at the first that fails.
set -eu

if [ "${4:-}" != inside ]; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo --non-interactive"
    # shellcheck disable=SC2086  # two words, or none
    exec $as_root unshare --mount --net --pid --fork --kill-child -- "$0" "$1" "$2" "$3" inside
fi

folder="$1"
root="$folder/root"
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs "$folder"
mkdir "$folder/changed" "$folder/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/changed,workdir=$folder/work" overlay "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/run" "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cp "$2" "$root/run/old.deb"
cp "$3" "$root/run/new.deb"
ip link set lo up
# The index of all manual pages of this system need not be made anew each time.
rm -f "$root/var/lib/man-db/auto-update"

step() { echo "package: $*"; }
fail() {
    echo "package: FAILED: $*" >&2
    exit 1
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# What is checked below is this run's, whatever the machine has: nothing of ours may be there yet.
dpkg_quietly() { inside dpkg --force-unsafe-io "$@" >"$folder/dpkg.log" 2>&1 || { cat "$folder/dpkg.log" >&2; fail "dpkg $*"; }; }
is() { # PATH "MODE USER GROUP"
    found="$(inside stat --format '%a %U %G' "$1" 2>&1)" || fail "$1: $found"
    [ "$found" = "$2" ] || fail "$1 is $found, not $2"
}
gone() { ! inside test -e "$1" || fail "$1 is still there"; }

config=/etc/imapwarden/imapwarden.toml
log=/var/log/imapwarden

# A system on which the libraries that the package wants are installed has them in other versions, too: only what dpkg must
# have is checked here, debconf and sysusers among it.
step "install"
dpkg_quietly --install /run/old.deb
is /usr/bin/imapwarden "755 root root"
is "$config" "644 root root"
is /etc/imapwarden/rules/local.toml "644 root root"
is /etc/imapwarden/admin.token "640 root imapwarden"
is /etc/imapwarden/tls "750 root imapwarden"
is "$log" "750 imapwarden imapwarden"
is /var/lib/imapwarden "700 imapwarden imapwarden"
[ "$(inside sh -c 'wc -c </etc/imapwarden/admin.token')" -ge 16 ] || fail "the token is short"
[ "$(inside getent passwd imapwarden | cut -d: -f7)" = /usr/sbin/nologin ] || fail "somebody could log in as imapwarden"
[ "$(inside dpkg-query --show --showformat '${Conffiles}\n' imapwarden | grep -c /etc/imapwarden/)" = 2 ] || fail "conffiles"
for page in man1/imapwarden.1 man1/imapwarden-check.1 man5/imapwarden.toml.5 man5/imapwarden-rules.5; do
    inside sh -c "zcat /usr/share/man/$page.gz" | grep --quiet '^\.SH' || fail "$page is no manual page"
done
inside bash -n /usr/share/bash-completion/completions/imapwarden || fail "completions for bash"
[ -s "$root/usr/share/zsh/vendor-completions/_imapwarden" ] || fail "completions for zsh"
[ -s "$root/usr/share/fish/vendor_completions.d/imapwarden.fish" ] || fail "completions for fish"

step "it does not start by itself, and says why it cannot"
gone /etc/systemd/system/multi-user.target.wants/imapwarden.service
! inside imapwarden check --config "$config" >"$folder/check" 2>&1 || fail "it could start with no certificate"
grep --quiet 'fullchain.pem' "$folder/check" || fail "$(cat "$folder/check")"

step "configure: a certificate, and nothing else"
inside openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost \
    -keyout /etc/imapwarden/tls/privkey.pem -out /etc/imapwarden/tls/fullchain.pem 2>/dev/null
inside sh -c 'chgrp imapwarden /etc/imapwarden/tls/*.pem && chmod 0640 /etc/imapwarden/tls/*.pem'
inside imapwarden check --config "$config" >"$folder/check" 2>&1 || fail "$(cat "$folder/check")"

# As the unit has it: its user, one capability, no more privileges, a root that is read-only but for two folders, no homes,
# its own /tmp. The filter of system calls is systemd's alone, and not here.
constrained() {
    exec chroot "$root" unshare --mount sh -ec '
        mount --make-rprivate /
        mount --bind /var/log/imapwarden /var/log/imapwarden
        mount --bind /var/lib/imapwarden /var/lib/imapwarden
        mount -o remount,ro,bind /
        mount -t tmpfs tmpfs /tmp
        mount -t tmpfs -o ro tmpfs /home
        mount -t tmpfs -o ro tmpfs /root
        umask 0077
        ulimit -c 0
        exec setpriv --reuid imapwarden --regid imapwarden --clear-groups --no-new-privs \
            --bounding-set -all,+net_bind_service --inh-caps -all,+net_bind_service --ambient-caps -all,+net_bind_service \
            env -i PATH=/usr/bin:/bin "$@"' sh "$@"
}

# Runs the service until it is ready, looks at it, and stops it.
serve() {
    # shellcheck disable=SC2046  # words
    (constrained $(sed -n 's/^ExecStartPre=//p' "$root/lib/systemd/system/imapwarden.service")) >"$folder/check" 2>&1 ||
        fail "ExecStartPre: $(cat "$folder/check")"
    # shellcheck disable=SC2046
    constrained $(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/imapwarden.service") >"$folder/service.log" 2>&1 &
    service=$!
    tries=200
    until inside imapwarden ready --config "$config" >/dev/null 2>&1; do
        kill -0 "$service" 2>/dev/null || fail "it does not start: $(cat "$folder/service.log")"
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "it is not ready: $(cat "$folder/service.log")"
        sleep 0.3
    done
    [ "$(stat --format %U "/proc/$service")" != root ] || fail "it runs as root"
    grep --quiet '^NoNewPrivs:[[:space:]]*1' "/proc/$service/status" || fail "it may take privileges"
    grep --quiet '^CapEff:[[:space:]]*0000000000000400' "/proc/$service/status" || fail "$(grep ^Cap "/proc/$service/status")"
    echo "a LOGOUT" | inside openssl s_client -quiet -crlf -connect 127.0.0.1:993 -verify_return_error \
        -CAfile /etc/imapwarden/tls/fullchain.pem >"$folder/greeting" 2>&1 || fail "$(cat "$folder/greeting")"
    grep --quiet 'a OK LOGOUT' "$folder/greeting" || fail "$(cat "$folder/greeting")"
    inside imapwarden sessions --config "$config" >"$folder/sessions" 2>&1 || fail "$(cat "$folder/sessions")"
    kill -TERM "$service"
    kill -TERM "$service" # nobody is connected: at once
    wait "$service" || fail "it ended badly: $(cat "$folder/service.log")"
}

step "start under the constraints of its unit, on port 993"
serve
inside sh -c "stat --format '%a %U' $log/*.jsonl" | grep --quiet --invert-match '^600 imapwarden$' && fail "$(ls -l "$root$log")"
records="$(inside sh -c "cat $log/*.jsonl | wc -l")"
[ "$records" -gt 2 ] || fail "$records records"

step "upgrade: changes of the configuration and the token stay"
inside sed -i 's/^# level = "info" /level = "debug"  /' "$config"
token="$(cat "$root/etc/imapwarden/admin.token")"
grep --quiet '^level = "debug"' "$root$config" || fail "the configuration was not changed"
dpkg_quietly --install /run/new.deb
grep --quiet '^level = "debug"' "$root$config" || fail "the configuration was overwritten"
[ "$(cat "$root/etc/imapwarden/admin.token")" = "$token" ] || fail "the token was replaced"
[ "$(inside dpkg-query --show --showformat '${Version} ${db:Status-Status}' imapwarden)" = "$(dpkg-deb --field "$3" Version) installed" ] ||
    fail "it was not upgraded"
serve

step "remove: configuration, state and log stay"
dpkg_quietly --remove imapwarden
gone /usr/bin/imapwarden
gone /lib/systemd/system/imapwarden.service
is "$config" "644 root root"
is /etc/imapwarden/admin.token "640 root imapwarden"
[ "$(inside sh -c "cat $log/*.jsonl | wc -l")" -gt "$records" ] || fail "the log does not survive a remove"

step "install again: it goes on where it was"
dpkg_quietly --install /run/new.deb
serve
inside imapwarden audit verify "$log" >"$folder/verified" 2>&1 || fail "the log: $(cat "$folder/verified")"

step "purge, and nobody is asked: the log stays, and what is not the package's"
dpkg_quietly --purge imapwarden
gone "$config"
gone /etc/imapwarden/admin.token
gone /var/lib/imapwarden
is /etc/imapwarden/tls/privkey.pem "640 root imapwarden"
[ "$(inside sh -c "cat $log/*.jsonl | wc -l")" -gt "$records" ] || fail "the log does not survive a purge"

step "install once more, purge, and say yes: nothing is left but the certificates"
dpkg_quietly --install /run/new.deb
echo "imapwarden imapwarden/remove-log boolean true" | inside debconf-set-selections
dpkg_quietly --purge imapwarden
gone "$log"
left="$(cd "$folder/changed" && find . -path '*imapwarden*' ! -type c ! -type d ! -path '*/etc/imapwarden/tls/*' ! -path '*/deb-systemd-helper*')"
[ -z "$left" ] || fail "left behind: $left"

step "done"
