"""Pure rules of scoring a night: shards, parts, quarantine, and whose fault a failure is."""

from __future__ import annotations

from secondlook.scoring.quarantine import NO_ANSWER, Blame, Failure, FailureRule, shown

__all__ = ["NO_ANSWER", "Blame", "Failure", "FailureRule", "shown"]
