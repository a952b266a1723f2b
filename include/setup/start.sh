#!/usr/bin/env bash
# Starts the set-up (python -m include.setup) with any Python from 3.9 on that really runs. A name on the PATH
# is no proof: a version manager's shim may lead nowhere, so each is tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset PYTHONHOME

runs() {
    timeout 30 "$1" -I -c "import sys; $2; sys.exit(sys.version_info < (3, 9))" </dev/null >/dev/null 2>&1
}

first_that_runs() {
    local candidate
    while IFS= read -r candidate; do
        runs "$candidate" "$1" && { printf '%s\n' "$candidate"; return; }
    done < <(type -aP ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13 python3.14 python3.10 python3.9 python)
    return 1
}

# One that can make an environment is better than one that needs another way to uv.
python=$(first_that_runs 'import ensurepip, venv' || first_that_runs pass || true)
if [ -z "$python" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3 and python3-venv: no Python from 3.9 on was found on the PATH ..."
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv || true
    hash -r
    python=$(first_that_runs pass || true)
fi
if [ -z "$python" ]; then
    echo "No Python from 3.9 on was found on the PATH: install python3 (Debian and Ubuntu: sudo apt-get install python3 python3-venv) and run make again." >&2
    exit 1
fi
PYTHONPATH=. PYTHONDONTWRITEBYTECODE=1 exec "$python" -m include.setup "$@"
