"""A month's budget as a value: what there is room for, in number and in money."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from secondlook.failures.exceptions import BudgetError, RecordError
from secondlook.review import Limits, MonthBudget, NightSelection, PricedLimits, money, month_of
from tests.support.ledgers import make_ledger_line, make_prediction

NIGHT, OTHER = "2026-11-20/1", "2026-11-21/1"
LOOPS = [f"loop-{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.08", "0.08"),
        (0.08, "0.08"),
        (3, "3.00"),
        ("0.036", "0.036"),
        ("0.050", "0.05"),
        (Decimal("1E+2"), "100.00"),
    ],
)
def test_money_is_read_exactly(value: object, text: str) -> None:
    assert str(money(value)) == text


@pytest.mark.parametrize("value", ["", "eight", "-0.01", "0.0001", "NaN", "Infinity", None, "1e99"])
def test_what_is_no_money_gets_a_sentence(value: object) -> None:
    with pytest.raises(BudgetError, match=r"price_per_review is .*: give a number from 0 with at most three"):
        money(value, "price_per_review")


def test_the_month_is_that_of_utc() -> None:
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == "2026-11"
    with pytest.raises(RecordError, match="its member 'month' is '2026-13'"):
        MonthBudget.from_json(b'{"month": "2026-13"}', source="s3://b/k")


def a_month(*arguments: object) -> MonthBudget:
    """November with a first reservation."""
    return MonthBudget(month="2026-11").reserve(*arguments)


FREE = Decimal("0.00")
UNLIMITED = Limits().priced(FREE)


def most(images: int) -> PricedLimits:
    return Limits(month_limit=images).priced(FREE)


@pytest.mark.parametrize(
    ("limits", "image_cost", "granted"),
    [
        (Limits(month_limit=4), FREE, 4),
        (Limits(month_money=Decimal("0.50")), Decimal("0.16"), 3),
        (Limits(night_money=Decimal("0.32")), Decimal("0.16"), 2),
        (Limits(5, Decimal("9.00"), Decimal("0.31")), Decimal("0.16"), 1),
        (Limits(month_limit=0), FREE, 0),
        (Limits(), Decimal("0.16"), 6),
    ],
)
def test_the_best_ranked_get_what_the_tightest_limit_leaves(
    limits: Limits, image_cost: Decimal, granted: int
) -> None:
    budget = a_month(NIGHT, "selection", LOOPS, limits.priced(image_cost))
    assert list(budget.reservations[NIGHT].loops) == LOOPS[:granted]
    # A retry comes to the same; and a limit raised meanwhile changes no decided night.
    assert budget.reserve(NIGHT, "selection", LOOPS, UNLIMITED) == budget
    raised = budget.reserve(NIGHT, "selection", LOOPS, UNLIMITED, again=True)
    assert list(raised.reservations[NIGHT].loops) == LOOPS


@pytest.mark.parametrize(
    "limits", [Limits(month_money=Decimal("0.50")), Limits(3, night_money=Decimal("0.32"))]
)
def test_a_limit_in_money_without_a_price_is_refused(limits: Limits) -> None:
    with pytest.raises(BudgetError, match=r"needs the price of a review: set review\.price_per_review"):
        limits.priced(FREE)


def test_the_rounds_of_a_night_share_its_money() -> None:
    priced = Limits(night_money=Decimal("3.50")).priced(Decimal("1.00"))
    first = a_month("2026-11-20/1", "selection", LOOPS[:2], priced)
    both = first.reserve("2026-11-20/2", "other selection", ["again-1", "again-2"], priced)
    assert list(both.reservations["2026-11-20/2"].loops) == ["again-1"]
    assert both.room("2026-11-20/1", priced) == both.room("2026-11-20/3", priced) == 0
    assert both.room(OTHER, priced) == 3


def test_a_lowered_limit_takes_nothing_back_and_leaves_no_room() -> None:
    lowered = a_month(NIGHT, "selection", LOOPS, most(6)).reserve(OTHER, "selection", ["loop-9"], most(3))
    assert (lowered.images, lowered.reservations[OTHER].loops) == (6, {})
    assert lowered.room(OTHER, most(3)) == 0


def test_what_is_released_is_free_for_others_and_comes_back_if_there_is_room() -> None:
    budget = a_month(NIGHT, "selection", LOOPS, most(6)).release(NIGHT, LOOPS[:2])
    assert budget.release(NIGHT, LOOPS[:2]) == budget.release(OTHER, LOOPS) == budget
    assert budget.room(OTHER, most(6)) == 2
    taken = budget.reserve(OTHER, "selection", ["loop-9"], most(6))
    again = taken.reserve(NIGHT, "selection", LOOPS, most(6))
    assert (again.images, LOOPS[0] in again.reservations[NIGHT].loops) == (6, True)
    assert again.reservations[NIGHT].released == {LOOPS[1]}


def test_the_document_is_read_back_and_written_the_same() -> None:
    priced = Limits(5, Decimal("9.00")).priced(Decimal("0.072"))
    budget = a_month(NIGHT, "selection", LOOPS, priced).release(NIGHT, LOOPS[:1])
    data = budget.to_json()
    assert json.loads(data) == {
        "month": "2026-11",
        "images": 4,
        "spent": "0.288",
        "limits": {"month_limit": 5, "month_money": "9.00", "night_money": None},
        "reservations": {
            NIGHT: {
                "selection": "selection",
                "loops": dict.fromkeys(LOOPS[1:5], "0.072"),
                "released": [LOOPS[0]],
            }
        },
    }
    assert MonthBudget.from_json(data, source="s3://b/k") == budget


def test_damaged_documents_are_named() -> None:
    with pytest.raises(RecordError, match=r"s3://b/k cannot be used: it has no member 'month'; restore an"):
        MonthBudget.from_json(b"{}", source="s3://b/k")
    with pytest.raises(RecordError, match=r"s3://b/k cannot be used: it has no member 'selected_on'"):
        NightSelection.from_json(b"{}", source="s3://b/k")


def test_a_selection_survives_its_file_and_is_known_by_its_loops() -> None:
    lines = tuple(make_ledger_line(make_prediction(name, 0.5)) for name in ("a.jpg", "b.jpg"))
    november, december = date(2026, 11, 22), date(2026, 12, 1)
    selection = NightSelection(selected_on=november, lines=lines)
    assert NightSelection.from_json(selection.to_json(), source="selection") == selection
    digests = {
        NightSelection(selected_on=day, lines=some).digest
        for day, some in ((november, lines), (december, lines), (december, lines[:1]))
    }
    assert len(digests) == 3
    asked, postponed = selection.ledger({lines[0].loop})
    assert (asked, postponed.state, postponed.state_reason) == (lines[0], "postponed", "over budget")
