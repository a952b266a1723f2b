"""Parts of S3 that a key may read or write: folders written as ``s3://bucket/`` or ``s3://bucket/folder/``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeAlias

from include.formats.s3_uri import BUCKET
from include.review_desk.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

Prefixes: TypeAlias = tuple[str, ...] | None
"""Folders, each with a final slash; None: everything that the desk itself may reach."""

_PREFIX = re.compile(rf"s3://{BUCKET}(/.*)?")
_MAX_CHARACTERS = 1024


def read_prefix(text: str) -> str:
    """A folder as it is stored: ``s3://bucket/images`` stands for ``s3://bucket/images/``.

    Raises
    ------
    InvalidRequest
        It is no S3 URI, or has a part that some programs take for a step upwards.
    """
    path = text.partition("://")[2]
    if (
        _PREFIX.fullmatch(text) is None
        or _climbs(path)
        or not text.isprintable()
        or len(text) > _MAX_CHARACTERS
    ):
        raise InvalidRequest(
            f"The prefix {text[:200]!r} must be like s3://bucket/folder/, without parts named . or .. in it."
        )
    return text if text.endswith("/") else f"{text}/"


def is_within(prefixes: Prefixes, bucket: str, key: str) -> bool:
    """Whether the object lies in one of the folders.

    A key with a part named ``.`` or ``..`` lies in none: S3 takes it as it is, but browsers do not.
    """
    if prefixes is None:
        return True
    return not _climbs(key) and f"s3://{bucket}/{key}".startswith(prefixes)


def is_folder_within(prefixes: Prefixes, uri: str) -> bool:
    """Whether everything below ``s3://bucket/folder`` lies in one of the folders."""
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    folder = folder.rstrip("/")
    return is_within(prefixes, bucket, f"{folder}/" if folder else "")


def common(first: Prefixes, second: Prefixes) -> Prefixes:
    """What lies within both."""
    if first is None or second is None:
        return second if first is None else first
    inner = {a for a in first if a.startswith(second)} | {b for b in second if b.startswith(first)}
    return tuple(sorted(inner))


def in_words(prefixes: Prefixes) -> str:
    """For messages and lists."""
    if prefixes is None:
        return "anything"
    return ", ".join(prefixes) or "nothing"


def stored(prefixes: Prefixes) -> str | None:
    """As the database has it."""
    return None if prefixes is None else json.dumps(prefixes)


def loaded(text: str | None) -> Prefixes:
    """What ``stored`` made."""
    return None if text is None else tuple(json.loads(text))


def of(texts: Iterable[str]) -> Prefixes:
    """The folders of these URIs, each once; see ``read_prefix``."""
    return tuple(sorted({read_prefix(text) for text in texts}))


def _climbs(path: str) -> bool:
    return any(part in (".", "..") for part in path.split("/"))
