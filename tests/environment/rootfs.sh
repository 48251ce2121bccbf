#!/usr/bin/env bash
# Builds the root file system of one base image and packs it: rootfs.sh busybox|python|postgres OUT.tar DEBS MIRROR
set -euo pipefail
kind=$1 out=$2 debs=$3 mirror=$4
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
suite=bookworm

root=$(mktemp -d /var/tmp/ecluse-rootfs.XXXXXX)
clean() {
    local mounted
    for mounted in "$root/proc" "$root/sys"; do
        if mountpoint -q "$mounted"; then umount "$mounted" || umount -l "$mounted"; fi
    done
    rm -rf --one-file-system -- "$root" "$out.part"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

bootstrap() {
    local cache=()
    mkdir -p "$debs"
    case $debs in *[!A-Za-z0-9._/-]*) ;; *) cache=(--cache-dir="$debs") ;; esac
    debootstrap "${cache[@]}" --variant=minbase --include="$1" "$suite" "$root" "$mirror"
    # An image, not a machine: no documentation, no caches, no services.
    rm -rf "$root"/usr/share/{doc,man,info,locale,lintian,doc-base,bug}/* "$root"/var/log/*.log "$root"/var/log/apt/* \
        "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig/* \
        "$root"/tmp/* "$root"/var/tmp/* "$root"/etc/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 0755 "$root/usr/sbin/policy-rc.d"
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$root/etc/dpkg/dpkg.cfg.d/image"
    printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' >"$root/etc/apt/apt.conf.d/90image"
}

case $kind in
busybox)
    mkdir -p "$root"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,usr/sbin,var/tmp,var/log}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    chmod 0700 "$root/root"
    chmod 0755 "$root"
    install -m 0755 "$(command -v busybox)" "$root/bin/busybox"
    "$root/bin/busybox" --list | while read -r applet; do
        if [ "$applet" != busybox ]; then ln -s busybox "$root/bin/$applet"; fi
    done
    ln -s ../../bin/busybox "$root/usr/bin/env"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    ;;
python)
    bootstrap python3,python3-venv,python3-pip,git,ca-certificates,procps
    # Like the public image: `python` and `pip` are there, and pip may install into the system.
    ln -s python3 "$root/usr/bin/python"
    rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
    ;;
postgres)
    bootstrap postgresql,ca-certificates
    rm -rf "$root"/etc/postgresql/* "$root"/var/lib/postgresql/* "$root"/var/log/postgresql/*
    ln -s ../lib/postgresql/15/bin/{postgres,initdb,pg_ctl} "$root/usr/bin/"
    install -d -m 0755 "$root/docker-entrypoint-initdb.d"
    install -m 0755 "$here/postgres-entrypoint.sh" "$root/usr/local/bin/postgres-entrypoint.sh"
    ;;
*)
    echo "rootfs.sh: no recipe for $kind" >&2
    exit 2
    ;;
esac

tar --numeric-owner --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -C "$root" -cf "$out.part" .
mv -f "$out.part" "$out"
