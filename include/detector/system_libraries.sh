#!/usr/bin/env bash
# MXNet's wheel needs two libraries of the distribution, which slim images lack. Installs them where that is
# allowed, says what to do where it is not.
set -euo pipefail

missing=()
for pair in libgomp.so.1:libgomp1 libquadmath.so.0:libquadmath0; do
    "${PYTHON:-python3.11}" -c "import ctypes; ctypes.CDLL('${pair%%:*}')" 2>/dev/null || missing+=("${pair##*:}")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]} (MXNet needs them) ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "MXNet needs the system libraries ${missing[*]}: install them (Debian: sudo apt-get install ${missing[*]}) and run make again." >&2
    exit 1
fi
