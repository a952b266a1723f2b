"""The error of the PASCAL VOC reader."""

from __future__ import annotations


class VocError(Exception):
    """An annotation or image set cannot be used as a whole; the message is one sentence naming it."""
