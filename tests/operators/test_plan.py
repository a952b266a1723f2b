"""What a night's plan refuses before it looks at a single image."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from secondlook.failures.exceptions import NightError, ReviewPolicyError, SettingsError
from secondlook.records.predictions import NoImagesError
from secondlook.runtime.arguments import ArgumentError
from secondlook.settings import LazySettings
from tests.support.shapes import LABELS


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"review": {"policy": "best"}},
            ReviewPolicyError,
            "no review policy 'best'; choose one of random, top_sc",
        ),
        ({"review": {"policy": "mine.policies:Mine"}}, ReviewPolicyError, "cannot be imported"),
        (
            {"review": {"policy": "top_score", "policy_params": {"treshold": 0.4}}},
            ReviewPolicyError,
            "refuses its parameters .*treshold",
        ),
        (
            {"review": {"policy": "random", "policy_params": ["x"]}},
            ArgumentError,
            "review cannot be used: policy_params",
        ),
        ({"night": "2026-13-01"}, NightError, "not in the calendar"),
    ],
)
def test_what_later_tasks_could_not_use_is_refused(
    project: Any, context: dict[str, Any], arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    # The night has no images, which would be the next sentence.
    with pytest.raises(error, match=sentence):
        project.plan(**arguments).execute(context)


def test_a_night_that_is_not_over_is_planned_only_if_that_is_meant(
    project: Any, context: dict[str, Any]
) -> None:
    day = timedelta(days=1)
    tomorrow = datetime.now(UTC).date() + day
    with pytest.raises(NightError, match=f"The night {tomorrow} is not over"):
        project.plan(night=tomorrow.isoformat()).execute(context)
    with pytest.raises(NoImagesError):
        project.plan(night=tomorrow.isoformat(), unfinished_night=True).execute(context)
    with pytest.raises(NoImagesError):
        project.plan(night=(tomorrow - 2 * day).isoformat()).execute(context)


def test_one_night_is_no_backfill(project: Any, context: dict[str, Any]) -> None:
    run = SimpleNamespace(run_type="backfill")
    with pytest.raises(NightError, match="start it again without the parameter"):
        project.plan().execute({**context, "dag_run": run, "params": {"night": "2026-11-20"}})


def test_labels_that_are_not_the_champions_are_refused_before_anybody_sees_them(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.upload_night(range(3000, 3003))
    assert ready.plan(labels=list(LABELS)).execute(context)
    for labels in (LABELS[::-1], LABELS[:1], [*LABELS, "more"]):
        with pytest.raises(ArgumentError, match=r"Task plan: labels = .* in the settings are not those that"):
            ready.plan(labels=list(labels)).execute(context)


def test_an_error_before_execute_is_shown_outside_of_airflows_folded_group(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", '{"prefix": "../x"}')
    with caplog.at_level("INFO", "airflow.task"), pytest.raises(SettingsError):
        _ = LazySettings().bucket
    assert "::endgroup::" in caplog.messages
