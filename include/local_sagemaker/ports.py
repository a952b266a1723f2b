"""Loopback ports for models, leased so that no other server of this user takes one before its model binds it.

A model whose port is taken dies, but the process that took the port would answer its pings and get its
requests.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from include.local_sagemaker.errors import JobError

# Below the kernel's range for outgoing connections, which could take a port between our probe and the
# model's bind.
PORTS = range(20_000, 32_000)
_ATTEMPTS = 100


class Ports:
    """The ports that one server has leased.

    All servers of a user share ``file``, with a lock on one byte for each port. The kernel
    releases the locks when the process ends, however it ends.
    """

    def __init__(self, file: Path | None = None) -> None:
        path = file or Path(tempfile.gettempdir()) / f"second-look-ports-{os.getuid()}"
        # Never opened twice: closing any descriptor of the file would release all locks of the process.
        self._file = path.open("ab")
        self._leased: set[int] = set()

    def lease(self) -> int:
        """Return a port that is free and that no other server has leased.

        Raises
        ------
        JobError
            None was found.
        """
        for port in random.sample(PORTS, _ATTEMPTS):
            if port in self._leased or not self._lock(port):
                continue
            self._leased.add(port)
            if _is_free(port):
                return port
            self.give_back(port)
        raise JobError(f"There is no free port from {PORTS.start} to {PORTS.stop - 1}.")

    def give_back(self, port: int) -> None:
        """End a lease; a port that is not leased is ignored."""
        if port in self._leased:
            self._leased.remove(port)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)

    def _lock(self, port: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
