"""What reviews may cost in a calendar month, and who has reserved how much of it.

One document a month holds every reservation, so that a single compare-and-swap of it decides: whoever runs
at the same time sees the other's reservation or loses the swap and looks again. A reservation belongs to a
night and its review round and names its human loops: a retry finds it and reserves nothing twice.

The month is the one in which people are asked (UTC, when the night's reviews are planned), not that of the
night: a budget is paid when people work, and a backfill of last year must not spend a month that is over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import BudgetError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

CENT = Decimal("0.01")
# What Amazon A2I can pay for a task in (PublicWorkforceTaskPrice, TenthFractionsOfACent).
FINEST = Decimal("0.001")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


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


def night_of_key(key: str) -> str:
    """Return the night of a key ``<night>/<round>``."""
    return key.partition("/")[0]


def month_of(moment: date) -> str:
    """Return the calendar month, ``YYYY-MM``, of a date or time in UTC."""
    return moment.strftime("%Y-%m")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a review costs and how much of it is allowed; None is no limit.

    Attributes
    ----------
    image_cost
        Money for asking about one image: the price of a review times the reviewers per image.
    month_limit, month_money
        Most images, and most money, in a calendar month, all nights together.
    night_money
        Most money for one night's reviews in a calendar month, all review rounds together. (Their number is
        limited where they are chosen, for each round.)
    """

    image_cost: Decimal = Decimal("0.00")
    month_limit: int | None = None
    month_money: Decimal | None = None
    night_money: Decimal | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(most is not None for most in (self.month_limit, self.month_money, self.night_money))


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one night and round holds of a month: its loops and what each costs.

    ``plan`` tells which list of loops it was made for. ``released`` are loops that were granted and given
    back because the service refused to start them.
    """

    plan: str
    loops: Mapping[str, Decimal] = field(default_factory=dict)
    released: frozenset[str] = frozenset()

    @property
    def cost(self) -> Decimal:
        """What the loops cost together."""
        return sum(self.loops.values(), Decimal("0.00"))

    @property
    def decided(self) -> frozenset[str]:
        """The loops that the budget had room for, whatever became of them."""
        return frozenset(self.loops) | self.released


@dataclass(frozen=True, slots=True)
class MonthBudget:
    """All reservations of one calendar month, by ``<night>/<round>``; ``terms`` are those seen last."""

    month: str
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        if not _MONTH.fullmatch(self.month):
            raise BudgetError(f"The month {self.month!r} is not a calendar month; write it as YYYY-MM.")

    @property
    def images(self) -> int:
        """How many images are reserved."""
        return sum(len(reservation.loops) for reservation in self.reservations.values())

    @property
    def spent(self) -> Decimal:
        """How much money is reserved."""
        return sum((reservation.cost for reservation in self.reservations.values()), Decimal("0.00"))

    def room(self, key: str, terms: Terms) -> int | None:
        """Return how many more images the night and round ``key`` may ask about; None: any number."""
        rooms = []
        if terms.month_limit is not None:
            rooms.append(terms.month_limit - self.images)
        if terms.image_cost > 0 and terms.month_money is not None:
            rooms.append(int((terms.month_money - self.spent) // terms.image_cost))
        if terms.image_cost > 0 and terms.night_money is not None:
            # Another round asks about the same night: its money is the night's, too.
            night = night_of_key(key)
            held = [r.cost for other, r in self.reservations.items() if night_of_key(other) == night]
            rooms.append(int((terms.night_money - sum(held)) // terms.image_cost))
        return max(0, min(rooms)) if rooms else None

    def reserve(
        self, key: str, plan: str, wanted: Sequence[str], terms: Terms, *, anew: bool = False
    ) -> MonthBudget:
        """Reserve as many of the wanted loops, best first, as there is room for.

        It is decided once for a plan: asked again, only what was released since may come back, unless it is
        to be decided ``anew``. A loop that another night holds is never reserved a second time.

        Parameters
        ----------
        key
            Night and round, ``2026-11-22/1``.
        plan
            Which list of loops this is; another one adds to what the key holds already.
        wanted
            Names of the loops, best-ranked first.
        terms
            Price and limits.
        anew
            Whether what had no room before may have it now.
        """
        held = self.reservations.get(key, Reservation(""))
        settled = held.plan == plan and not anew
        elsewhere = {loop for other, r in self.reservations.items() if other != key for loop in r.loops}
        new = [
            loop
            for loop in dict.fromkeys(wanted)
            if loop not in held.loops and loop not in elsewhere and (not settled or loop in held.released)
        ]
        granted = new[: self.room(key, terms)]
        if held.plan == plan and not granted:
            return self
        loops = {**held.loops, **dict.fromkeys(granted, terms.image_cost)}
        made = Reservation(plan, loops, held.released - set(granted))
        return MonthBudget(self.month, {**self.reservations, key: made}, terms)

    def release(self, key: str, loops: Collection[str], *, still_asked: bool = True) -> MonthBudget:
        """Give back loops that surely never started; those that the key does not hold are left alone.

        ``still_asked``: a ledger asks for them, so they may be reserved again as decided before.
        """
        held = self.reservations.get(key)
        if held is None or not set(loops) & set(held.loops):
            return self
        kept = {loop: cost for loop, cost in held.loops.items() if loop not in loops}
        gone = set(held.loops) - set(kept) if still_asked else set()
        given_back = replace(held, loops=kept, released=held.released | gone)
        return replace(self, reservations={**self.reservations, key: given_back})

    def to_json(self) -> bytes:
        """Return the document; equal budgets give equal bytes, money is text."""
        terms = self.terms
        document = {
            "month": self.month,
            "images": self.images,
            "spent": str(money(self.spent)),
            "limits": {"images": terms.month_limit, "money": _text(terms.month_money)},
            "reservations": {
                key: {
                    "plan": reservation.plan,
                    "loops": {loop: str(cost) for loop, cost in reservation.loops.items()},
                    "released": sorted(reservation.released),
                }
                for key, reservation in self.reservations.items()
            },
        }
        return jsonl.canonical(document).encode()

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> MonthBudget:
        """Read the document.

        Raises
        ------
        BudgetError
            Naming the source: a damaged budget is no reason to spend.
        """
        try:
            document = jsonl.decode_object(data, source=source)
            limits = document["limits"]
            most = limits["money"]
            terms = Terms(month_limit=limits["images"], month_money=None if most is None else money(most))
            reservations = {k: _reservation(r) for k, r in document["reservations"].items()}
            return cls(document["month"], reservations, terms)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BudgetError(
                f"The budget {source} cannot be read ({error!r}): restore an earlier version of it, since "
                "without it nobody knows what this month's reviews have cost."
            ) from error


def _reservation(record: Mapping[str, Any]) -> Reservation:
    loops = {str(loop): money(cost) for loop, cost in record["loops"].items()}
    return Reservation(str(record["plan"]), loops, frozenset(record["released"]))


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
