"""The flow definition that a night's human loops run on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from secondlook.records.recent_answers import recent_seconds
from secondlook.review import Forecast, money

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from decimal import Decimal

    from secondlook.hooks.a2i import A2IHook
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.review import LedgerLine
    from secondlook.review.flow_definition import ActiveFlow


class ReviewFlow:
    """A flow definition, described only when a review needs it: a night without reviews needs none.

    ``price_per_review`` is money for one reviewer's answer about one image.
    """

    def __init__(self, service: A2IHook, name: str, price_per_review: Decimal) -> None:
        self._service = service
        self._price = price_per_review
        self.name = name

    @cached_property
    def active(self) -> ActiveFlow:
        """The flow definition, described once. Raises like :meth:`A2IHook.flow`."""
        return self._service.flow(self.name)

    def image_cost(self) -> Decimal:
        """Return what an image costs: the price of a review times the reviewers per image."""
        return money(self._price * self.active.task_count if self._price else 0)

    def forecast(
        self, lines: Sequence[LedgerLine], existing: Collection[str], store: ObjectStore, currency: str
    ) -> Forecast:
        """Return what the loops that are still to be started will take, at the pace of recent answers.

        Parameters
        ----------
        lines
            The night's ledger.
        existing
            Loops that were started before: they cost nothing more.
        store
            Any bucket of the connection that can read the answers.
        currency
            Of the price.
        """
        asked = sum(line.asked for line in lines)
        images = sum(line.asked and line.loop not in existing for line in lines)
        return Forecast(
            images=images,
            reviewers=self.active.task_count if images else 1,
            image_cost=self.image_cost() if images else money(0),
            currency=currency,
            seconds_per_answer=recent_seconds(store, self.active.output, self.name) if images else None,
            postponed=len(lines) - asked,
            asked_before=asked - images,
        )
