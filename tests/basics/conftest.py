"""Names, keys and JSON Lines."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no fault of the code: no deadline an example, and the same examples each time.
settings.register_profile("second-look", deadline=None, derandomize=True)
settings.load_profile("second-look")
