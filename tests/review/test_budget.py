"""A month's budget as a value: what there is room for, in number and in money."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from secondlook.failures.exceptions import BudgetError
from secondlook.review import MonthBudget, ReviewPlan, Terms, money, month_of
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
    with pytest.raises(BudgetError, match="'2026-13' is not a calendar month; write it as YYYY-MM"):
        MonthBudget("2026-13")


@pytest.mark.parametrize(
    ("terms", "granted"),
    [
        (Terms(month_limit=4), 4),
        (Terms(Decimal("0.16"), month_money=Decimal("0.50")), 3),
        (Terms(Decimal("0.16"), night_money=Decimal("0.32")), 2),
        (Terms(Decimal("0.16"), 5, Decimal("9.00"), Decimal("0.31")), 1),
        (Terms(month_limit=0), 0),
        (Terms(Decimal("0.16")), 6),
    ],
)
def test_the_best_ranked_get_what_the_tightest_limit_leaves(terms: Terms, granted: int) -> None:
    budget = MonthBudget("2026-11").reserve(NIGHT, "plan", LOOPS, terms)
    assert list(budget.reservations[NIGHT].loops) == LOOPS[:granted]
    # Asked again by a retry, it is the same; and a limit raised meanwhile changes no settled night.
    assert budget.reserve(NIGHT, "plan", LOOPS, Terms()) == budget


def test_the_rounds_of_a_night_share_its_money() -> None:
    terms = Terms(Decimal("1.00"), night_money=Decimal("3.50"))
    first = MonthBudget("2026-11").reserve("2026-11-20/1", "plan", LOOPS[:2], terms)
    both = first.reserve("2026-11-20/2", "other plan", ["again-1", "again-2"], terms)
    assert list(both.reservations["2026-11-20/2"].loops) == ["again-1"]
    assert both.room("2026-11-20/1", terms) == both.room("2026-11-20/3", terms) == 0
    assert both.room(OTHER, terms) == 3


def test_a_lowered_limit_takes_nothing_back_and_leaves_no_room() -> None:
    budget = MonthBudget("2026-11").reserve(NIGHT, "plan", LOOPS, Terms(month_limit=6))
    lowered = budget.reserve(OTHER, "plan", ["loop-9"], Terms(month_limit=3))
    assert (lowered.images, lowered.reservations[OTHER].loops) == (6, {})
    assert lowered.room(OTHER, Terms(month_limit=3)) == 0


def test_what_is_released_is_free_for_others_and_comes_back_if_there_is_room() -> None:
    terms = Terms(month_limit=6)
    budget = MonthBudget("2026-11").reserve(NIGHT, "plan", LOOPS, terms).release(NIGHT, LOOPS[:2])
    assert budget.release(NIGHT, LOOPS[:2]) == budget.release(OTHER, LOOPS) == budget
    assert budget.room(OTHER, terms) == 2
    taken = budget.reserve(OTHER, "plan", ["loop-9"], terms)
    again = taken.reserve(NIGHT, "plan", LOOPS, terms)
    assert (again.images, LOOPS[0] in again.reservations[NIGHT].loops) == (6, True)
    assert again.reservations[NIGHT].released == {LOOPS[1]}


def test_the_document_is_read_back_and_written_the_same() -> None:
    terms = Terms(Decimal("0.072"), 5, Decimal("9.00"))
    budget = MonthBudget("2026-11").reserve(NIGHT, "plan", LOOPS, terms).release(NIGHT, LOOPS[:1])
    data = budget.to_json()
    assert b'"spent": "0.288"' in data or b'"spent":"0.288"' in data
    assert MonthBudget.from_json(data, source="s3://b/k").to_json() == data


def test_damaged_documents_are_named() -> None:
    with pytest.raises(BudgetError, match=r"The budget s3://b/k cannot be read .*: restore an earlier"):
        MonthBudget.from_json(b'{"month": "2026-11"}', source="s3://b/k")
    with pytest.raises(BudgetError, match=r"The plan s3://b/k cannot be read .*: restore it"):
        ReviewPlan.from_json(b'{"month": "2026-11"}', source="s3://b/k")


def test_a_plan_survives_its_file_and_is_known_by_what_it_asks() -> None:
    lines = tuple(make_ledger_line(make_prediction(name, 0.5)) for name in ("a.jpg", "b.jpg"))
    december = date(2026, 12, 1)
    plan = ReviewPlan(date(2026, 11, 22), lines)
    assert ReviewPlan.from_json(plan.to_json(), source="plan") == plan
    assert plan.digest != ReviewPlan(december, lines).digest != ReviewPlan(december, lines[:1]).digest
    asked, deferred = plan.settle({lines[0].loop})
    assert (asked, deferred.state, deferred.state_reason) == (lines[0], "deferred", "over budget")
