"""Which later night may ask about the images that a night has postponed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from secondlook.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Claims(JsonDocument):
    """Claims on a night's postponed loops: ``claimed`` has the claimant, ``<night>/<round>``, by loop."""

    remedy: ClassVar[str] = "restore its last version, or two nights may ask about one image"

    claimed: dict[str, str] = Field(default_factory=dict)

    def free_for(self, loop: str, key: str) -> bool:
        """Whether ``key`` may ask about a loop: no other claims it."""
        return self.claimed.get(loop, key) == key

    def claim(self, loops: Sequence[str], key: str) -> Claims:
        """Return the claims after ``key`` has claimed what is free of ``loops``."""
        return Claims(claimed={**dict.fromkeys(loops, key), **self.claimed})

    def unclaim(self, loops: Collection[str], key: str) -> Claims:
        """Return the claims without those of ``key`` on ``loops``; what others claimed stays theirs."""
        kept = {loop: by for loop, by in self.claimed.items() if loop not in loops or by != key}
        return Claims(claimed=kept)
