"""How much review is allowed, and what an image costs: money is exact, to a tenth of a cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import BudgetError

if TYPE_CHECKING:
    from secondlook.settings import ReviewSettings

CENT = Decimal("0.01")
# What Amazon A2I can pay for a task in (PublicWorkforceTaskPrice, TenthFractionsOfACent).
FINEST = Decimal("0.001")


def money(value: object, name: str = "An amount of money") -> Decimal:
    """Read an amount of money, exact to a tenth of a cent; with two decimals unless it needs the third.

    Raises
    ------
    BudgetError
        It is no number, negative, or finer than that.
    """
    try:
        amount = Decimal(str(value))
        if amount.is_finite() and amount >= 0 and amount == amount.quantize(FINEST):
            in_cents = amount.quantize(CENT)
            return in_cents if in_cents == amount else amount.quantize(FINEST)
    except InvalidOperation:
        pass
    raise BudgetError(f"{name} is {value!r}: give a number from 0 with at most three decimals, such as 0.08.")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much review is allowed; None is no limit.

    Attributes
    ----------
    month_limit, month_money
        Most images, and most money, in a calendar month, all nights together.
    night_money
        Most money for one night's reviews in a calendar month, all review rounds together. (Their number is
        limited where they are selected, for each round.)
    """

    month_limit: int | None = None
    month_money: Decimal | None = None
    night_money: Decimal | None = None

    @classmethod
    def of(cls, review: ReviewSettings) -> Limits:
        """Return the limits of the settings."""
        return cls(
            month_limit=review.month_limit,
            month_money=None if review.month_money is None else money(review.month_money),
            night_money=None if review.night_money is None else money(review.night_money),
        )

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(most is not None for most in (self.month_limit, self.month_money, self.night_money))

    def priced(self, image_cost: Decimal) -> PricedLimits:
        """Return the limits for images that cost so much; see :class:`PricedLimits`."""
        return PricedLimits(self, image_cost)


@dataclass(frozen=True, slots=True)
class PricedLimits:
    """Limits together with what an image costs: a budget reserves by these only.

    ``image_cost`` is money for one image: the price of a review times the reviewers per image.

    Raises
    ------
    BudgetError
        There is a limit in money, and an image costs nothing.
    """

    limits: Limits
    image_cost: Decimal

    def __post_init__(self) -> None:
        if not self.image_cost and (self.limits.month_money, self.limits.night_money) != (None, None):
            raise BudgetError("A limit in money needs the price of a review: set review.price_per_review.")
