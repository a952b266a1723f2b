#!/usr/bin/env bash
# The tests want two programs of the distribution: Chromium for the pages, PostgreSQL as the desk's other
# database. Installs them where that is allowed; elsewhere the tests that need them are skipped and say so.
set -euo pipefail

missing=()
[ -x /usr/bin/chromium ] || missing+=(chromium)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ "${#missing[@]}" -eq 0 ] && exit 0

install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The tests start a server of their own: the package shall make none.
without_a_cluster() {
    install postgresql-common || return
    sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
}

install_missing() {
    apt-get update -qq || return
    case " ${missing[*]} " in *" postgresql "*) without_a_cluster || return ;; esac
    install "${missing[@]}"
}

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]} for the tests ..."
    install_missing && exit 0
fi
echo "Some tests will be skipped: they need ${missing[*]}, so install that (Debian: sudo apt-get install ${missing[*]}) and run make test again." >&2
