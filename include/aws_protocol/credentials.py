"""The credentials file of a service on this machine: access key ids and secrets of its callers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CredentialsFileError(Exception):
    """A credentials file cannot be read or has another form."""


def read_credentials(path: Path) -> dict[str, str]:
    """Read ``{"<access key id>": "<secret access key>"}``, one pair or more, in the file's order.

    Raises
    ------
    CredentialsFileError
    """
    try:
        credentials = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CredentialsFileError(f"The credentials file {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise CredentialsFileError(f"The credentials file {path} is not JSON.") from None
    texts = isinstance(credentials, dict) and all(
        isinstance(value, str) and key and value for key, value in credentials.items()
    )
    if not texts or not credentials:
        raise CredentialsFileError(
            f'The credentials file {path} must be like {{"<access key id>": "<secret access key>"}}.'
        )
    return dict(credentials)
