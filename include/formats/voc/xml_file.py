"""XML as annotation tools write it, in whatever encoding, and never more than an annotation needs."""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ElementTree

from include.formats.text import decode_text, marked_encoding

from .errors import VocError

MAX_XML_BYTES = 16 * 1024 * 1024
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>", re.IGNORECASE)
_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z][\w.-]*)["']""", re.ASCII)
# A declaration that can be read byte by byte is not in these, whatever it says; and these are no text's.
_IMPOSSIBLE = re.compile(r"utf[_-]?(16|32)|ucs|utf[_-]?7|idna|punycode|unicode|undefined|raw", re.IGNORECASE)


class _DoctypeError(Exception):
    """The document declares a type."""


class _SafeTreeBuilder(ElementTree.TreeBuilder):
    """Refuses a document type: an annotation needs none, and entities expand without limit."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _DoctypeError


def check_xml_bytes(size: int, source: str) -> None:
    """Refuse a file by its size alone.

    Raises
    ------
    VocError
        It is larger than any annotation.
    """
    if size > MAX_XML_BYTES:
        raise VocError(f"{source} has {size} bytes; an annotation has at most {MAX_XML_BYTES}.")


def parse_xml(xml: bytes, source: str) -> ElementTree.Element:
    """Return the root of a document.

    Parameters
    ----------
    source
        What to call the file in errors.

    Raises
    ------
    VocError
        It is too large, not well-formed, or declares a document type.
    """
    check_xml_bytes(len(xml), source)
    parser = ElementTree.XMLParser(target=_SafeTreeBuilder())
    try:
        parser.feed(_DECLARATION.sub("", _decoded(xml), count=1).strip())
        root: ElementTree.Element = parser.close()
    except _DoctypeError:
        raise VocError(f"{source} declares a DOCTYPE, which an annotation never needs; remove it.") from None
    except UnicodeError:
        raise VocError(
            f"{source} is in an encoding that it does not declare; save the file as UTF-8."
        ) from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise VocError(f"{source} is not well-formed XML: {error}.") from error
    return root


def is_encoding_guessed(xml: bytes) -> bool:
    """Whether nothing tells the encoding: letters beyond ASCII were read as Windows' Western ones."""
    if marked_encoding(xml) is not None or b"\0" in xml or _by_declaration(xml) is not None:
        return False
    try:
        xml.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _decoded(xml: bytes) -> str:
    text = _by_declaration(xml)
    return decode_text(xml) if text is None else text


def _by_declaration(xml: bytes) -> str | None:
    declared = _DECLARED.match(xml)
    if declared and marked_encoding(xml) is None:
        name = declared[1].decode()
        if not _IMPOSSIBLE.match(name) and _is_known(name):
            try:
                return xml.decode(name)
            except UnicodeDecodeError:
                pass  # many tools declare UTF-8 and write what their system has
    return None


def _is_known(encoding: str) -> bool:
    try:
        "".encode(encoding)
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True
