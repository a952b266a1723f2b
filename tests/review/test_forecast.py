"""What people are told before the first loop starts: how many, how much, how long."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from secondlook.review import Forecast, typical_seconds
from tests.support.ledgers import drawn, make_ledger_line, make_output


def output(*seconds: float) -> bytes:
    """The output document of a loop whose reviewers took so long."""
    document = make_output(make_ledger_line(), *([drawn(1, 2, 30, 40)] for _ in seconds))
    for answer, spent in zip(document["humanAnswers"], seconds, strict=True):
        answer["timeSpentInSeconds"] = spent
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("forecast", "text"),
    [
        (
            Forecast(100, 2, Decimal("0.16"), "USD", 45.0, postponed=20),
            "100 images to review by 2 people each, 16.00 USD, 2 h 30 min of work at 45 s an answer, "
            "20 postponed over budget",
        ),
        (
            Forecast(3, 1, Decimal("0.036"), "EUR", 8.4),
            "3 images to review, 0.108 EUR, 1 min of work at 8 s an answer",
        ),
        (Forecast(3, 1, Decimal(0), "USD", 0.44), "3 images to review, 1 min of work at 0.4 s an answer"),
        (Forecast(3, 1, Decimal(0), "USD"), "3 images to review, no answers yet to tell how long"),
        (Forecast(0, 1, Decimal(0), "USD", postponed=4), "0 images to review, 4 postponed over budget"),
        (
            Forecast(2, 1, Decimal("0.08"), "USD", 30.0, asked_before=16),
            "2 images to review, 0.16 USD, 1 min of work at 30 s an answer, 16 asked before",
        ),
    ],
)
def test_it_says_how_many_how_much_and_how_long(forecast: Forecast, text: str) -> None:
    assert str(forecast) == text


def test_its_record_has_the_numbers_too() -> None:
    assert Forecast(100, 2, Decimal("0.16"), "USD", 45.0, postponed=20).to_record() == {
        "images": 100,
        "answers": 200,
        "cost": "16.00",
        "currency": "USD",
        "seconds": 9000,
        "postponed": 20,
        "asked_before": 0,
        "text": "100 images to review by 2 people each, 16.00 USD, 2 h 30 min of work at 45 s an answer, "
        "20 postponed over budget.",
    }


def test_the_teams_speed_is_the_median_of_its_answers() -> None:
    # A reviewer who went for lunch does not count for hours.
    assert typical_seconds([output(10, 14), output(3600), output(12), output(16)]) == 14
    assert typical_seconds([None, b"{", b"{}", output(10)]) == 10
    assert typical_seconds([]) is None
