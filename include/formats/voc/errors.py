"""What the reader of PASCAL VOC folders says when it cannot go on."""

from __future__ import annotations


class VocError(Exception):
    """An annotation or image set cannot be used as a whole; the message is one sentence naming it."""
