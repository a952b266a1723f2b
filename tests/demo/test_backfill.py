"""What `make backfill` counts, and what it refuses to call a success."""

from __future__ import annotations

import pytest

from include.demo import backfill
from include.demo.evidence import Evidence, _misplaced, bytes_changed
from include.demo.upload import LAYOUT
from secondlook.jsonl import encode, encode_gzip
from secondlook.settings import parse_settings


def moment(**changes):
    """Everything at rest after one night."""
    values = {
        "loops": frozenset({"loop-1"}),
        "training_jobs": {"job-1": "Completed"},
        "transform_jobs": {},
        "endpoints": {"second-look": "2026-03-02T02:00:00"},
        "manifests": {"manifests/2026-03-02/reviewed.manifest": b"one\ntwo\n"},
        "reviews": {"2026-03-02": ("loop-1",)},
        "champion_version": 1,
    }
    return Evidence(**(values | changes))


def report_of(first, second):
    return {"second": first.added(second) | {"manifest_bytes_changed": bytes_changed(first, second)}}


def test_what_came_between_two_moments_is_counted_by_name():
    later = moment(
        loops=frozenset({"loop-1", "loop-2"}),
        training_jobs={"job-2": "InProgress", "job-3": "Failed"},
        champion_version=3,
    )
    assert moment().added(later) == {
        "loops_started": 1,
        "training_jobs": 2,
        "transform_jobs": 0,
        "promotions": 2,
    }
    assert later.running_jobs == ["job-2"]


def test_each_byte_of_a_manifest_that_differs_counts():
    key = "manifests/2026-03-02/reviewed.manifest"
    assert bytes_changed(moment(), moment()) == 0
    assert bytes_changed(moment(), moment(manifests={key: b"one\nTwo\n"})) == 1
    assert bytes_changed(moment(), moment(manifests={key: b"one\n"})) == 4
    assert bytes_changed(moment(manifests={}), moment()) == 8


def test_a_second_pass_that_adds_nothing_is_a_success():
    backfill._check(report_of(moment(), moment()), moment(), moment(), [])


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (moment(loops=frozenset({"loop-1", "loop-2"})), "1 loops started in the second pass"),
        (moment(training_jobs={"job-1": "Completed", "job-2": "Completed"}), "1 training jobs in the second"),
        (moment(manifests={}), "8 manifest bytes changed in the second pass"),
        (moment(endpoints={}), "endpoints were touched"),
        (moment(transform_jobs={"t": "InProgress"}), "jobs still run: t"),
    ],
)
def test_anything_added_touched_or_left_running_is_a_failure(after, sentence):
    with pytest.raises(backfill.BackfillFailed, match=sentence):
        backfill._check(report_of(moment(), after), moment(), after, [])


def test_faults_seen_in_the_bucket_fail_it_too():
    with pytest.raises(backfill.BackfillFailed, match="the night 2026-03-02 was not scored"):
        backfill._check(
            report_of(moment(), moment()), moment(), moment(), ["the night 2026-03-02 was not scored"]
        )


@pytest.mark.parametrize("nights", [1, 6, 60])
def test_its_settings_are_ones_that_the_nightly_run_accepts(nights):
    settings = parse_settings(backfill._settings(("RBC", "WBC"), nights), "the backfill")
    assert settings.review.limit * nights >= settings.training.min_new_answers >= 1
    assert not settings.training.control_arm


def test_an_image_that_is_scored_twice_or_not_at_all_is_seen_in_the_bucket(aws_clients):
    s3 = aws_clients("s3")
    s3.create_bucket(Bucket=LAYOUT.bucket)

    def put(key, data=b""):
        s3.put_object(Bucket=LAYOUT.bucket, Key=key, Body=data)
        return {"image": f"s3://{LAYOUT.bucket}/{key}"}

    night = "2026-03-02"
    a, b = (put(f"{LAYOUT.images(night)}/{name}.jpg") for name in "ab")
    assert _misplaced(s3, night) == [f"the night {night} was not scored"]
    put(LAYOUT.prediction_part(night, "m-1", 0), encode_gzip([a]))
    assert "predictions of m-1 do not hold each image" in _misplaced(s3, night)[0]
    put(LAYOUT.quarantine(night, "m-1"), encode([b]))
    # The same line part by part, as the scoring tasks leave it.
    put(
        LAYOUT.quarantine(night, "m-1").replace("quarantine.jsonl", "quarantine/part-00000.jsonl"),
        encode([b]),
    )
    assert _misplaced(s3, night) == []
    put(LAYOUT.prediction_part(night, "m-1", 1), encode_gzip([a]))
    assert len(_misplaced(s3, night)) == 1
