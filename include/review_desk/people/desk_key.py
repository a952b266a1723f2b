"""The desk's own key: 32 random bytes in a file beside the database, never in it.

The secrets of API keys are derived from it, so that read access to the database allows no call.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from include.review_desk.errors import DeskSetupError

KEY_BYTES = 32
ENVIRONMENT = "DESK_SECRET_KEY_FILE"


class DeskKey:
    """A key file that may not exist yet.

    Parameters
    ----------
    path
        None: no path was given, and there is no database file to put it next to.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._key: bytes | None = None

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path is not None and self.path.exists()

    def read(self) -> bytes:
        """The key.

        Raises
        ------
        DeskSetupError
            There is no file, it cannot be read, or it is not a key.
        """
        if self._key is None:
            path = self._place()
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DeskSetupError(
                    f"The desk's key {path} cannot be read: {error.strerror}. Give the file that the "
                    "database was used with before, also after a restore, by --secret-key."
                ) from None
            if len(content) != KEY_BYTES:
                raise DeskSetupError(f"The desk's key {path} must be a file of {KEY_BYTES} random bytes.")
            self._key = content
        return self._key

    def make(self) -> None:
        """Make the file, readable by its owner only; an existing one is kept.

        Raises
        ------
        DeskSetupError
            The file cannot be written.
        """
        path = self._place()
        try:
            # Written under another name first: a reader sees the complete file or none.
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(name, path)
            except FileExistsError:
                pass
            finally:
                os.unlink(name)
        except OSError as error:
            raise DeskSetupError(f"The desk's key {path} cannot be written: {error.strerror}.") from None

    def derive(self, purpose: str) -> bytes:
        """32 bytes that only the holder of the key can derive."""
        return hmac.new(self.read(), purpose.encode(), hashlib.sha256).digest()

    def _place(self) -> Path:
        if self.path is None:
            raise DeskSetupError(
                f"Say where the desk's own key is, with --secret-key FILE or {ENVIRONMENT}: "
                "it lies beside the database only with SQLite."
            )
        return self.path


def default_path(database_file: str | None, given: Path | None) -> Path | None:
    """Where the key is: as given, else as the environment says, else beside SQLite's file."""
    if given is not None:
        return given
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    return Path(f"{database_file}.key") if database_file else None
