"""Nights of an archive for the stub algorithm, and what became of them."""

from __future__ import annotations

from typing import Any

from tests.support.shapes import draw

NIGHT = "2026-11-20"
# What the stub takes for an image; a steering word behind it decides about its answer.
JPEG = b"\xff\xd8\xff"


def parts(project: Any, model: str) -> dict[str, bytes]:
    return {key: project.get(key) for key in project.keys(f"{project.layout.predictions(NIGHT, model)}/part")}


def quarantined(project: Any, model: str) -> dict[str, dict[str, Any]]:
    lines = project.lines(project.layout.quarantine(NIGHT, model))
    return {line["image"].rsplit("/", 1)[1]: line for line in lines}


def picture(word: bytes = b"") -> bytes:
    """A picture that decodes, with a steering word for the stub in its comment."""
    comment = b"\xff\xfe" + (len(word) + 2).to_bytes(2, "big") + word
    data = draw(1).data
    return data[:2] + comment + data[2:]


def put_stub_night(project: Any, **bodies: bytes) -> None:
    """Images ``a.jpg``, ``b.jpg``, ... for the stub algorithm."""
    project.serve_with_stub()
    for name, body in bodies.items():
        project.put(f"{project.layout.images(NIGHT)}/{name}.jpg", JPEG + body)
