"""Settings and nights: what a person may get wrong, and the sentence they get."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from secondlook.failures.exceptions import NightError, SettingsError
from secondlook.nights import resolve_night
from secondlook.settings import (
    DEFAULT_SETTINGS_FILE,
    LazySettings,
    ReviewSettings,
    load_settings,
    merge,
    parse_settings,
)

ROLE = "arn:aws:iam::111122223333:role/second-look"
GOOD: dict[str, Any] = {
    "bucket": "cells",
    "execution_role_arn": ROLE,
    "flow_role_arn": ROLE,
    "labels": ["RBC", "WBC"],
}


def test_the_shipped_file_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECONDLOOK_SETTINGS", raising=False)
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", "{}")
    assert DEFAULT_SETTINGS_FILE.is_file()
    assert load_settings().labels == ("RBC", "WBC", "Platelets")


def test_the_variable_is_laid_over_the_file_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        f'bucket = "cells"\nexecution_role_arn = "{ROLE}"\nflow_role_arn = "{ROLE}"\nlabels = ["RBC"]\n'
        "[review]\nlimit = 7\naudit_share = 0.5\n"
    )
    monkeypatch.setenv("SECONDLOOK_SETTINGS", str(file))
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", json.dumps({"review": {"limit": 9}}))
    settings = LazySettings()
    assert (settings.review.limit, settings.review.audit_share) == (9, 0.5)
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", "[1]")
    with pytest.raises(SettingsError, match="must be a JSON object with settings, not a list"):
        load_settings()
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", "{}")
    monkeypatch.setenv("SECONDLOOK_SETTINGS", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"nowhere.toml cannot be read .*: create it or let SECONDLOOK"):
        load_settings()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"bucket": None}, "bucket = None: input should be a valid string."),
        ({"bucket": "My Bucket"}, "bucket = 'My Bucket' is not a bucket name"),
        ({"execution_role_arn": "mine"}, "execution_role_arn = 'mine' is not the ARN of an IAM role"),
        ({"labels": ["a", "a"]}, "labels must be distinct"),
        ({"labels": []}, "labels has too few entries: give 1 or more"),
        ({"labels": ["\u200b"]}, "a label must not be empty"),
        (
            {"labels": ["RBC", "x", "RBC "]},
            "labels 1 and 3 ('RBC' and 'RBC ') look the same: they differ",
        ),
        ({"labels": ["red cell", "red\u00a0cell"]}, "labels 1 and 2 ('red cell' and 'red\\xa0cell') look"),
        ({"labels": ["red cell", "red  cell"]}, "look the same"),
        ({"labels": ["Z\u00e4hler", "Za\u0308hler"]}, "look the same"),
        ({"labels": ["RBC", "R\u200bBC"]}, "labels 1 and 2 ('RBC' and 'R\\u200bBC') look the same"),
        ({"buckett": "x"}, "buckett is not a known setting: write bucket if that is what you mean"),
        ({"review": {"limitt": 1}}, "review.limitt is not a known setting: write review.limit if that is"),
        ({"epochs_": 1}, "epochs_ is not a known setting: remove it or check its spelling"),
        ({"review": {"part_size": 1}}, "review.part_size is not a known setting: write serving.part_size if"),
        ({"review": {"audit_share": 2}}, "review.audit_share = 2: input should be less than or equal to 1."),
        ({"serving": {"instance_type": "m5"}}, "serving.instance_type = 'm5' does not have the form"),
        ({"review": {"price_per_review": "cheap"}}, "review.price_per_review = 'cheap': input should be a"),
        ({"review": {"price_per_review": 0.0123}}, "review.price_per_review = 0.0123: decimal input should"),
        ({"review": {"price_per_review": -1}}, "review.price_per_review = -1: input should be greater"),
        ({"review": {"month_limit": -1}}, "review.month_limit = -1: input should be greater than or equal"),
        ({"review": {"month_money": -1, "price_per_review": 1}}, "review.month_money = -1: input should be"),
        ({"review": {"month_money": 9}}, "review.month_money = 9: a limit in money needs"),
        ({"review": {"night_money": 9}}, "needs review.price_per_review: set what a review costs."),
        ({"review": {"currency": "dollars"}}, "review.currency = 'dollars' is not a currency: write"),
        ({"review": {"postponed_nights": -1}}, "review.postponed_nights = -1: input should be greater"),
        ({"prefix": "../other"}, "prefix = '../other': the prefix '../other' has a part '.' or '..'; name"),
        ({"prefix": "a/./b"}, "has a part '.' or '..'"),
        ({"prefix": "night's images"}, "cannot be used, because it becomes the tag of every resource"),
        ({"prefix": "a//b"}, "separated by single slashes"),
        ({"prefix": "p" * 181}, "has 181 characters; use 180 at most"),
        ({"holdout_version": ".."}, "holdout_version = '..': a version is the name of a folder"),
        ({"region": "Frankfurt"}, "region = 'Frankfurt' is not an AWS Region: write it as us-east-1"),
        ({"training": {"replay_ratio": math.inf}}, "training.replay_ratio = inf: input should be a finite"),
        ({"serving": {"poll_interval_seconds": math.inf}}, "serving.poll_interval_seconds = inf: input"),
        ({"review": {"price_per_review": math.nan}}, "review.price_per_review = nan: input should be a"),
        ({"review": {"policy_params": {"a": [math.inf]}}}, "infinity and NaN are no parameters of a policy"),
        ({"review": {"task_keywords": ["Bäume"]}}, "review.task_keywords.0 = 'Bäume' is not a keyword that"),
        ({"review": {"task_keywords": ["bounding-box"]}}, "review.task_keywords.0 = 'bounding-box' is not"),
        ({"review": {"task_keywords": ["k" * 31]}}, "at most 30 characters"),
        (
            {"review": {"own_policies": "os:system"}},
            'review.own_policies = \'os:system\' is not a list of texts: write it as ["first", "second"].',
        ),
        ({"labels": "RBC"}, "labels = 'RBC' is not a list of texts"),
        ({"review": {"task_description": "one\ntwo"}}, "has more than one line"),
        ({"training": {"hyperparameters": {"epochs": 10.0}}}, "training.hyperparameters.epochs = 10.0: the "),
        ({"training": {"hyperparameters": {"epoch": 3}}}, "hyperparameters.epoch is no hyperparameter of "),
        (
            {"bootstrap": {"hyperparameters": {"label_width": "auto"}}},
            "bootstrap.hyperparameters.label_width = 'auto': the algorithm takes a whole number from 7 up.",
        ),
        ({"bootstrap": {"hyperparameters": {"epochs": None}}}, "bootstrap.hyperparameters.epochs = None: "),
        ({"training": {"hyperparameters": {"num_classes": 2}}}, "num_classes is the number of labels and"),
        (
            {"evaluation": {"max_concurrent_transforms": 17}},
            "evaluation.max_concurrent_transforms = 17: ",
        ),
        ({"archive": {"max_concurrent_transforms": 50}}, "an image may have 6 MB, so 16 is the most."),
    ],
)
def test_each_fault_is_one_sentence_that_names_its_key(fault: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(merge(GOOD, fault), "mine.toml")
    assert str(error.value).startswith("Settings from mine.toml cannot be used. ")
    assert sentence in str(error.value)


def test_every_region_that_botocore_knows_is_accepted() -> None:
    session = botocore.session.get_session()
    regions = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    }
    assert "eusc-de-east-1" in regions
    for region in regions:
        assert parse_settings(merge(GOOD, {"region": region}), "mine.toml").region == region


def test_labels_that_differ_in_what_a_person_sees_are_labels() -> None:
    for labels in (["a", "A"], ["m2", "m\u00b2"], ["cell", "cells"], ["\u00e9", "e"]):
        assert parse_settings(merge(GOOD, {"labels": labels}), "mine.toml").labels == tuple(labels)


def test_an_algorithm_of_ones_own_takes_hyperparameters_of_its_own() -> None:
    own = {"image_uri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/yolo:3"}
    settings = parse_settings(
        merge(GOOD, {**own, "training": {"hyperparameters": {"depth": 3}}}), "mine.toml"
    )
    assert settings.training.hyperparameters == {"depth": 3}


def test_a_bad_price_is_one_fault_although_a_limit_in_money_needs_it() -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(merge(GOOD, {"review": {"price_per_review": "cheap", "month_money": 9}}), "mine.toml")
    assert "month_money" not in str(error.value)


def test_amounts_of_money_are_exact_from_either_source() -> None:
    review = parse_settings(
        merge(GOOD, {"review": {"price_per_review": 0.036, "month_money": "200.10"}}), "mine.toml"
    ).review
    assert (review.price_per_review, review.month_money) == (Decimal("0.036"), Decimal("200.1"))
    # Without a budget set there is none.
    review = parse_settings(GOOD, "mine.toml").review
    assert review.price_per_review == 0
    assert (review.month_limit, review.month_money, review.night_money) == (None, None, None)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SettingsError, match=r"labels is missing: add it to the settings\."):
        parse_settings({key: GOOD[key] for key in GOOD if key != "labels"}, "mine.toml")


def run(**facts: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"partition_key": None, "run_after": None, "logical_date": None, **facts})


def test_the_night_of_a_run() -> None:
    start = datetime(2026, 11, 20, 2, tzinfo=UTC)
    asked = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert resolve_night({"params": {"night": "2026-11-01"}, "data_interval_start": start}) == "2026-11-01"
    assert resolve_night({"params": {}, "dag_run": run(partition_key="2026-11-19")}) == "2026-11-19"
    scheduled = {"params": {"night": None}, "data_interval_start": start, "logical_date": asked}
    assert resolve_night(scheduled) == "2026-11-20"
    # Started by hand, without a logical date and outside the DAG: nights are days.
    by_hand = {"params": {}, "logical_date": None, "dag_run": run(run_after=asked)}
    assert resolve_night(by_hand) == "2026-11-22"
    with pytest.raises(NightError, match="trigger it with the parameter night"):
        resolve_night({"params": {}, "dag_run": run()})
    with pytest.raises(NightError, match="not a date"):
        resolve_night({"params": {"night": "Friday"}, "dag_run": run()})


def test_a_run_changes_single_settings_of_a_section():
    review = ReviewSettings(limit=100, policy="top_score", policy_params={"threshold": 0.4})

    changed = review.override(limit=5, audit_share=None)

    assert (changed.limit, changed.audit_share) == (5, review.audit_share)
    assert changed.policy_params == {"threshold": 0.4}
    assert review.limit == 100


def test_another_policy_does_not_take_the_parameters_of_the_settings():
    review = ReviewSettings(policy="top_score", policy_params={"threshold": 0.4})

    assert review.override(policy="random").policy_params == {}
    assert review.override(policy="random", policy_params={"seed": 3}).policy_params == {"seed": 3}


def test_a_run_cannot_break_a_rule_of_the_section():
    with pytest.raises(SettingsError, match=r"This run's parameters cannot be used\. limit = -1"):
        ReviewSettings().override(limit=-1)
