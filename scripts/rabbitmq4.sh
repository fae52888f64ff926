#!/usr/bin/env bash
# Installs RabbitMQ 4 below the target directory, from the packages of Debian 13, and prints the folder of its scripts: what the tests
# then run against with
#
#   BLOODBANK_RABBITMQ_SCRIPTS=$(./scripts/rabbitmq4.sh) ./scripts/services.sh
#
# The packages need a newer C library than older systems have, so they live in a system of their own, which is entered by chroot: this
# needs root, and debootstrap, which is installed when it is missing. It takes a few minutes and 700 MB once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'rabbitmq4.sh: %s\n' "$*" >&2; exit 1; }

root="$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/rabbitmq4"
scripts=$root/scripts

if [ ! -x "$scripts/rabbitmq-server" ]; then
    [ "$(id -u)" -eq 0 ] || fail "RabbitMQ 4 is entered by chroot; run this as root"
    if ! command -v debootstrap >/dev/null; then
        command -v apt-get >/dev/null || fail "missing: debootstrap; install it and run again"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends debootstrap; } >&2 \
            || fail "apt-get could not install debootstrap"
    fi
    rm -rf "$root"
    mkdir -p "$root"
    # Of a folder that is not whole, the scripts are missing.
    debootstrap --variant=minbase --include=rabbitmq-server trixie "$root/system" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >&2 \
        || fail "debootstrap could not unpack Debian 13; its log is $root/system/debootstrap/debootstrap.log"
    mkdir "$root/unfinished"
    for script in rabbitmq-server rabbitmqctl rabbitmq-plugins; do
        # The mounts are those of the process alone and go with it. The data of a test has the same path inside as outside.
        cat >"$root/unfinished/$script" <<SCRIPT
#!/bin/sh
exec unshare --mount --propagation private sh -c '
    for folder in /proc /dev /sys /tmp /run "\$PWD" "\$HOME"; do
        mkdir -p "$root/system\$folder" && mount --rbind "\$folder" "$root/system\$folder" || exit
    done
    exec chroot "$root/system" /usr/lib/rabbitmq/bin/$script "\$@"
' $script "\$@"
SCRIPT
        chmod 755 "$root/unfinished/$script"
    done
    mv "$root/unfinished" "$scripts"
fi
printf '%s\n' "$scripts"
