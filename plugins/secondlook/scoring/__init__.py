"""What a night's scoring means: pure rules about images, parts and the model that answers."""

from __future__ import annotations

from secondlook.scoring.quarantine import NO_ANSWER, Blame, Failure, FailureRule, shown

__all__ = ["NO_ANSWER", "Blame", "Failure", "FailureRule", "shown"]
