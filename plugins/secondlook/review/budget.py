"""What the reviews of a calendar month may cost, and which nights have reserved how much of it.

One document a month holds every reservation, so that a single compare-and-swap of it decides: of two runs at
the same time one sees the other's reservation, or loses the swap and looks again. A reservation belongs to a
night and its review round and names its human loops: a retry finds it and reserves nothing twice.

The month is the one in which the reviews are launched (UTC, when the night's images are selected), not that
of the night: a budget is paid when people work, and a backfill of last year must not spend a past month.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, computed_field

from secondlook.json_document import JsonDocument
from secondlook.review.limits import Limits, PricedLimits, money

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

NOTHING = Decimal("0.00")
Money = Annotated[Decimal, AfterValidator(money), PlainSerializer(str)]
Loops = Annotated[frozenset[str], PlainSerializer(sorted)]


def night_of_key(key: str) -> str:
    """Return the night of a key ``<night>/<round>``."""
    return key.partition("/")[0]


def month_of(moment: date) -> str:
    """Return the calendar month, ``YYYY-MM``, of a date or time in UTC."""
    return moment.strftime("%Y-%m")


class Reservation(BaseModel):
    """What one night and round holds of a month: its loops and what each costs.

    ``selection`` tells which list of loops it was made for. ``released`` are loops that were granted and
    given back because the service refused to start them.
    """

    model_config = ConfigDict(frozen=True)

    selection: str
    loops: dict[str, Money] = Field(default_factory=dict)
    released: Loops = frozenset()

    @property
    def cost(self) -> Decimal:
        """What the loops cost together."""
        return sum(self.loops.values(), NOTHING)

    @property
    def decided(self) -> frozenset[str]:
        """The loops that the budget had room for, whatever became of them."""
        return frozenset(self.loops) | self.released


class MonthBudget(JsonDocument):
    """All reservations of one calendar month, by ``<night>/<round>``; ``limits`` are those seen last."""

    remedy: ClassVar[str] = (
        "restore an earlier version of it, since nothing else tells what this month's reviews have cost"
    )

    month: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    reservations: dict[str, Reservation] = Field(default_factory=dict)
    limits: Limits = Limits()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def images(self) -> int:
        """How many images are reserved."""
        return sum(len(reservation.loops) for reservation in self.reservations.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def spent(self) -> Money:
        """How much money is reserved."""
        return money(sum((reservation.cost for reservation in self.reservations.values()), NOTHING))

    def room(self, key: str, priced: PricedLimits) -> int | None:
        """Return how many more images the night and round ``key`` may ask about; None: any number."""
        limits, rooms = priced.limits, []
        if limits.month_limit is not None:
            rooms.append(limits.month_limit - self.images)
        if limits.month_money is not None:
            rooms.append(int((limits.month_money - self.spent) // priced.image_cost))
        if limits.night_money is not None:
            # Another round asks about the same night: its money is the night's, too.
            night = night_of_key(key)
            held = [r.cost for other, r in self.reservations.items() if night_of_key(other) == night]
            rooms.append(int((limits.night_money - sum(held)) // priced.image_cost))
        return max(0, min(rooms)) if rooms else None

    def describe(self, limits: Limits, currency: str) -> str:
        """Say how much of the month is reserved."""
        images = "" if limits.month_limit is None else f" of {limits.month_limit}"
        spent = "" if limits.month_money is None else f" of {limits.month_money}"
        return f"{self.month}: {self.images}{images} images, {self.spent}{spent} {currency} reserved"

    def reserve(
        self, key: str, selection: str, wanted: Sequence[str], priced: PricedLimits, *, again: bool = False
    ) -> MonthBudget:
        """Reserve as many of the wanted loops, best first, as there is room for.

        This is decided once for a selection: a repeated call brings back only what was released since,
        unless it is to decide ``again``. A loop that another night holds is never reserved a second time.

        Parameters
        ----------
        key
            Night and round, ``2026-11-22/1``.
        selection
            Which list of loops this is; another one adds to what the key holds already.
        wanted
            Names of the loops, best-ranked first.
        priced
            The limits, and what an image costs.
        again
            Whether what had no room before may have it now.
        """
        held = self.reservations.get(key, Reservation(selection=""))
        decided = held.selection == selection and not again
        elsewhere = {loop for other, r in self.reservations.items() if other != key for loop in r.loops}
        new = [
            loop
            for loop in dict.fromkeys(wanted)
            if loop not in held.loops and loop not in elsewhere and (not decided or loop in held.released)
        ]
        granted = new[: self.room(key, priced)]
        if held.selection == selection and not granted:
            return self
        made = Reservation(
            selection=selection,
            loops={**held.loops, **dict.fromkeys(granted, priced.image_cost)},
            released=held.released - set(granted),
        )
        reservations = {**self.reservations, key: made}
        return MonthBudget(month=self.month, reservations=reservations, limits=priced.limits)

    def release(self, key: str, loops: Collection[str], *, still_asked: bool = True) -> MonthBudget:
        """Give back loops that surely never started; those that the key does not hold are left alone.

        ``still_asked``: a ledger asks for them, so they may be reserved again as decided before.
        """
        held = self.reservations.get(key)
        if held is None or not set(loops) & set(held.loops):
            return self
        kept = {loop: cost for loop, cost in held.loops.items() if loop not in loops}
        gone = set(held.loops) - set(kept) if still_asked else set()
        given_back = held.model_copy(update={"loops": kept, "released": held.released | gone})
        return self.model_copy(update={"reservations": {**self.reservations, key: given_back}})
