"""What launching a night's reviews came to."""

from __future__ import annotations

from secondlook.json_document import JsonDocument


class LaunchSummary(JsonDocument):
    """Counts of a night's launch.

    Attributes
    ----------
    ledger
        The ledger's address; None when there is none, as no review was allowed.
    selected
        Images that people are asked about; ``started`` and ``adopted`` loops of this run add up to it.
    published_rule
        How many images the published rule (top score below 0.5) would have sent to review.
    by_policy, by_audit
        How many of the selected images the policy ranked, and how many were drawn at random.
    postponed, taken_up
        Images that wait for a later night, and images of earlier nights among the selected ones.
    month, cost
        The month that pays, and the money for the selected images; None without a budget.
    """

    night: str
    ledger: str | None = None
    selected: int = 0
    started: int = 0
    adopted: int = 0
    published_rule: int = 0
    by_policy: int = 0
    by_audit: int = 0
    postponed: int = 0
    taken_up: int = 0
    month: str | None = None
    cost: str | None = None
