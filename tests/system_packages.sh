#!/usr/bin/env bash
# Programs of the distribution for the tests: Chromium for the pages, PostgreSQL as the other database, Redis as
# the queue between machines. Installs those named (default: what `make test` wants) where that is allowed.
set -euo pipefail

present() {
    case "$1" in
    chromium) [ -x /usr/bin/chromium ] ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ;;
    redis-server) command -v redis-server >/dev/null ;;
    *) echo "system_packages.sh does not know $1." >&2 && exit 2 ;;
    esac
}

[ "$#" -gt 0 ] || set -- chromium postgresql redis-server
missing=()
for package in "$@"; do
    present "$package" || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The tests start servers of their own: the packages shall start none.
without_a_cluster() {
    install postgresql-common || return
    sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
}

without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ -e "$policy" ] && { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}

install_missing() {
    apt-get update -qq || return
    case " ${missing[*]} " in *" postgresql "*) without_a_cluster || return ;; esac
    without_services install "${missing[@]}"
}

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]} for the tests ..."
    install_missing && exit 0
fi
echo "Tests that need ${missing[*]} cannot run: install that (Debian: sudo apt-get install ${missing[*]}) and try again." >&2
