"""Keys and addresses in S3."""

from __future__ import annotations

from datetime import date

import pytest

from secondlook.failures.exceptions import NightError, S3UriError
from secondlook.layout import Layout, check_night, split_s3_uri

NIGHT = "2026-11-22"


def test_a_night_has_its_places():
    layout = Layout("second-look", "/demo/")
    assert layout.uri(layout.images(NIGHT)) == "s3://second-look/demo/images/2026-11-22"
    assert layout.prediction_part(NIGHT, "m-1", 7) == "demo/predictions/2026-11-22/m-1/part-00007.jsonl.gz"
    assert layout.ledger(NIGHT) == "demo/reviews/2026-11-22/ledger.jsonl"
    assert layout.review_selection(NIGHT, 2) == "demo/reviews/2026-11-22/selection-2.json"
    assert layout.taken_up(NIGHT) == "demo/reviews/2026-11-22/taken-up.json"
    assert layout.postponed_mark(date(2026, 12, 1), NIGHT) == "demo/postponed/2026-12-01/2026-11-22"
    assert layout.taken_up_mark("2026-12-02", NIGHT) == "demo/taken-up/2026-12-02/2026-11-22"
    assert layout.budget("2026-11") == f"{layout.budgets()}/2026-11.json" == "demo/budgets/2026-11.json"
    assert layout.reviewed_manifest(NIGHT) == "demo/manifests/2026-11-22/reviewed.manifest"
    assert layout.training_manifest("job", "train") == "demo/training/job/train.manifest"
    assert layout.comparison("v1", "m-2") == "demo/evaluations/v1/comparisons/m-2.json"
    assert Layout("second-look").champion() == "champion.json"


def test_artifact_lies_where_sagemaker_writes_it():
    layout = Layout("second-look", "p")
    assert layout.artifact("job-1") == f"{layout.models()}/job-1/output/model.tar.gz"


def test_no_two_places_are_one():
    layout = Layout("second-look", "p")
    by_night = (
        "images",
        "ledger",
        "launch_summary",
        "taken_up",
        "outcomes",
        "reviewed_manifest",
        "rejected",
        "manifest_summary",
    )
    keys = [getattr(layout, name)(NIGHT) for name in by_night]
    keys += [getattr(layout, n)(NIGHT, "m") for n in ("predictions", "quarantine", "predictions_summary")]
    keys += [
        layout.holdout("v"),
        layout.holdout_manifest("v"),
        layout.evaluation("v", "m"),
        layout.champion(),
        layout.review_selection(NIGHT, 1),
        layout.review_selection(NIGHT, 2),
        layout.budget("2026-11"),
    ]
    keys += [
        layout.evaluation_predictions("v", "m"),
        layout.a2i_output(),
        layout.card("m"),
        layout.bootstrap_voc(),
    ]
    keys += [
        layout.bootstrap_recordio("train"),
        layout.bootstrap_manifest("train"),
        layout.bootstrap_rejected(),
    ]
    assert len(set(keys)) == len(keys)
    assert not any(key.endswith("/") or "//" in key for key in keys)


@pytest.mark.parametrize(
    "night", ["", "2026-11-31", "2026-1-2", "20261122", "2026-11-22\n", "../x", "２０２６-11-22"]
)
def test_night_that_is_no_date_is_refused(night):
    with pytest.raises(NightError, match="The night"):
        check_night(night)
    with pytest.raises(NightError):
        Layout("second-look").images(night)


@pytest.mark.parametrize("model", ["", "a/b", ".."])
def test_part_that_would_leave_its_folder_is_refused(model):
    with pytest.raises(S3UriError, match="cannot be part of an S3 key"):
        Layout("second-look").card(model)


def test_addresses_are_split_and_foreign_ones_refused():
    assert split_s3_uri("s3://bucket-1/a b/ü?#.jpg") == ("bucket-1", "a b/ü?#.jpg")
    assert split_s3_uri("s3://bucket-1") == ("bucket-1", "")
    for bad in ("bucket/key", "https://bucket/key", "s3:/b/k", "s3:///k", "s3://UPPER/k", ""):
        with pytest.raises(S3UriError, match="s3://bucket/key"):
            split_s3_uri(bad)
    assert Layout("bucket-1").key_of("s3://bucket-1/a/b") == "a/b"
    with pytest.raises(S3UriError, match="other-bucket"):
        Layout("bucket-1").key_of("s3://other-bucket/a/b")
    with pytest.raises(S3UriError, match="setting bucket"):
        Layout("No_Bucket")
    with pytest.raises(S3UriError, match=r"has a part '\.' or '\.\.'; name folders only"):
        Layout("bucket-1", "../elsewhere")
    with pytest.raises(S3UriError, match="count from 0"):
        Layout("bucket-1").prediction_part(NIGHT, "m", -1)
