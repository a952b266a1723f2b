"""Make `.env` for compose.yaml: env.example with a random value behind every name marked (generated).

Run it where Compose will run, with any Python from 3.9 on: `python3 include/deploy/new_environment.py`.
An `.env` that exists stays as it is.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "# (generated)"
# 32 bytes in URL-safe base64 are what Airflow's Fernet key has to be; no character of it means anything in a
# URL, in YAML or to a shell.
BYTES = 32


def filled(example: str) -> str:
    """Return the example with a new value in the line after each mark."""
    lines = example.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(MARK):
            name = lines[number + 1].rstrip("=")
            lines[number + 1] = f"{name}={base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).decode()}"
    return "\n".join(lines) + "\n"


def main(folder: Path = HERE) -> int:
    """Write `.env` beside the example; 1 when there is one."""
    target = folder / ".env"
    content = filled((folder / "env.example").read_text(encoding="utf-8"))
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target} exists and stays as it is; move it away to make another.", file=sys.stderr)
        return 1
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
    print(f"{target} is made: open it, fill in what is empty, and see README.md for the next step.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
