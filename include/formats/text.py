"""Text files as people's tools write them: with or without a byte order mark, in UTF-8, UTF-16 or Latin-1."""

from __future__ import annotations

import codecs
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# UTF-32 first: its mark for little-endian begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN = 5
_PLAIN_CONTROLS = "\t\n\r\f\x1a"


def marked_encoding(data: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def decode_text(data: bytes) -> str:
    """Decode by the byte order mark; without one as UTF-8, as UTF-16, else as Windows' Western code page.

    Raises
    ------
    UnicodeError
        It is not text in any of them.
    """
    marked = marked_encoding(data)
    if marked is not None:
        return data.decode(marked)
    if b"\0" in data:
        # Western letters in UTF-16 have a zero in every second byte.
        little = data[1::2].count(0) >= data[::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def is_plain(text: str) -> bool:
    """Whether a person could have written it: no control characters except line ends and tabs."""
    return not any(unicodedata.category(letter) == "Cc" and letter not in _PLAIN_CONTROLS for letter in text)


def normal(text: str) -> str:
    """One of the spellings of a name that look the same.

    Composed (NFC), with single plain spaces, none at the ends, and without invisible characters:
    zero-width spaces and joiners, soft hyphens, marks of direction (Unicode category Cf).
    """
    seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def some(names: Sequence[str]) -> str:
    """Enumerate names for a sentence, the first few of many."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
