"""A challenger is promoted by evidence, and the refusal says why."""

from __future__ import annotations

import json

import pytest

from secondlook.failures.exceptions import EvaluationError
from secondlook.training import PromotionRule, ScoredModel, compare
from tests.support.manifests import LABELS, make_holdout, predict

URI = "s3://b/holdout/v1/holdout.manifest"


def judged(holdout, challenger, champion, control=None, **more):
    return compare(
        holdout_uri=URI,
        holdout=holdout,
        labels=LABELS,
        challenger=ScoredModel("m-2", predict(holdout, challenger)),
        champion=ScoredModel("m-1", predict(holdout, champion)),
        control=None if control is None else ScoredModel("m-c", predict(holdout, control)),
        samples=300,
        **more,
    )


def test_model_that_learned_the_drift_and_forgot_nothing_is_promoted():
    holdout = make_holdout(0, clean=60, drifted=60)
    control = {"clean": 0.8, "drifted": 0.45}
    result = judged(holdout, {"clean": 0.8, "drifted": 0.7}, {"clean": 0.8, "drifted": 0.4}, control)
    assert result.promote
    assert result.reasons[0].startswith("The challenger is better: +0.")
    record = json.loads(result.to_json())
    assert record["slices"]["drifted"]["delta_ci95"][0] > 0
    assert record["slices"]["clean"]["delta"] == 0.0
    assert record["slices"]["drifted"]["control"] < record["slices"]["drifted"]["challenger"]
    assert record["pooled"]["images"] == 120
    assert (record["challenger"], record["champion"], record["control"]) == ("m-2", "m-1", "m-c")
    assert record["per_class"]["WBC"]["objects"] > 0
    assert record["bootstrap"] == {"samples": 300, "seed": 0}
    assert record["rule"] == {"min_images": 50, "min_delta": 0.0, "max_slice_loss": 0.02}
    assert result.verdict("s3://b/c.json")["promote"] is True


def test_model_that_forgot_the_clean_images_stays_out():
    holdout = make_holdout(0, clean=60, drifted=60)
    result = judged(holdout, {"clean": 0.7, "drifted": 0.9}, {"clean": 0.8, "drifted": 0.3})
    assert result.pooled.delta_ci95[0] > 0
    assert not result.promote
    assert len(result.reasons) == 1
    assert result.reason.startswith("On slice clean it loses 0.")


def test_equal_model_is_no_evidence():
    result = judged(make_holdout(60), 0.8, 0.8)
    assert not result.promote
    assert "+0.000 mAP@0.5 over 60 images (95% interval +0.000 to +0.000)" in result.reason
    assert list(result.slices) == ["clean"]
    assert result.control is None
    assert json.loads(result.to_json())["pooled"]["control"] is None


def test_worse_model_hears_every_objection():
    assert len(judged(make_holdout(80), 0.4, 0.8).reasons) == 2


def test_too_few_images_decide_nothing():
    result = judged(make_holdout(49), 0.9, 0.1)
    assert not result.promote
    assert "has 49 images and the rule asks for at least 50" in result.reason
    assert judged(make_holdout(49), 0.9, 0.1, rule=PromotionRule(min_images=40)).promote


def test_same_inputs_same_bytes():
    holdout = make_holdout(60)
    assert judged(holdout, 0.8, 0.6).to_json() == judged(holdout[::-1], 0.8, 0.6).to_json()


def test_prediction_that_is_missing_or_of_another_file_stops_the_comparison():
    holdout = make_holdout(3)
    champion = ScoredModel("m-1", predict(holdout, 0.5))
    missing = ScoredModel("m-2", champion.predictions[1:])
    with pytest.raises(
        EvaluationError, match=r"m-2 has no prediction of the holdout image s3://b/clean-000\.jpg"
    ):
        compare(holdout_uri=URI, holdout=holdout, labels=LABELS, challenger=missing, champion=champion)
    turned = [type(p)(p.image, p.etag, p.height, p.width, 3, "m", p.detections) for p in champion.predictions]
    with pytest.raises(EvaluationError, match="480 x 640 pixels, but the holdout says 640 x 480"):
        compare(
            holdout_uri=URI,
            holdout=holdout,
            labels=LABELS,
            challenger=ScoredModel("m-2", turned),
            champion=champion,
        )
    with pytest.raises(EvaluationError, match="has no image"):
        compare(holdout_uri=URI, holdout=[], labels=LABELS, challenger=missing, champion=champion)


@pytest.mark.parametrize("member", [{"min_images": 0}, {"min_delta": -0.1}, {"max_slice_loss": float("nan")}])
def test_senseless_rule_is_refused(member):
    with pytest.raises(EvaluationError, match=f"promotion rule's {next(iter(member))}"):
        PromotionRule(**member)
