#!/usr/bin/env bash
# Installs Debian packages without starting a single service of theirs: install-packages.sh PACKAGE…
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || {
        echo "missing packages: $*. Neither root nor password-less sudo here; install them: apt-get install --no-install-recommends $*" >&2
        exit 2
    }
    exec sudo -n -- bash "$0" "$@"
fi
command -v apt-get >/dev/null || {
    echo "missing: $* (Debian's package names), and there is no apt-get here; install them in your system's way" >&2
    exit 2
}

guard=/usr/sbin/policy-rc.d
saved=$guard.before-ecluse
mark="# ecluse test environment: no service starts while packages are installed"
units=()

restore() {
    if grep -qsF "$mark" "$guard"; then rm -f "$guard"; fi
    if [ -e "$saved" ]; then mv -f "$saved" "$guard"; fi
}
# One installer at a time; a guard left behind by one that was killed is put right first.
exec 9>/run/lock/ecluse-install-packages.lock
flock 9
restore
trap restore EXIT
trap 'exit 130' INT TERM HUP
if [ -e "$guard" ] || [ -L "$guard" ]; then mv -f "$guard" "$saved"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$guard"
chmod 0755 "$guard"

export DEBIAN_FRONTEND=noninteractive
before=$(ls /lib/systemd/system 2>/dev/null || true)
apt=(apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update 9>&-
"${apt[@]}" install --no-install-recommends "$@" 9>&-

# What came with a service would start at the next boot: a machine that runs our tests has not asked for that.
if command -v systemctl >/dev/null; then
    for unit in /lib/systemd/system/*.service /lib/systemd/system/*.socket; do
        [ -e "$unit" ] || continue
        grep -qxF "$(basename "$unit")" <<<"$before" || units+=("$(basename "$unit")")
    done
    for unit in "${units[@]}"; do systemctl --quiet disable "$unit" 2>/dev/null || true; done
fi
