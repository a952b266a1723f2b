"""Model cards and the champion pointer."""

from __future__ import annotations

import json

import pytest

from secondlook.failures.exceptions import RecordError
from secondlook.training import Champion, LearnedManifest, ModelCard, TrainingData

CARD = ModelCard(
    model="second-look-2026-11-22-abc",
    artifact="s3://b/models/second-look-2026-11-22-abc/output/model.tar.gz",
    image="111122223333.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
    parent="bootstrap-1",
    created_by="nightly",
    hyperparameters={"epochs": "8", "num_classes": "3"},
    data=TrainingData(
        train_images=80,
        new_images=40,
        replayed_images=40,
        manifests=(LearnedManifest("s3://b/manifests/2026-11-22/reviewed.manifest", "e1", "0" * 64, 40),),
        learned_manifests=("s3://b/manifests/2026-11-21/reviewed.manifest",),
        train_manifest="s3://b/training/job/train.manifest",
    ),
    labels=("RBC", "WBC"),
    metrics={"validation:mAP": 0.61},
)


def test_card_survives_its_file():
    assert ModelCard.from_json(CARD.to_json(), source="card") == CARD
    judged = CARD.with_verdict({"promote": True, "reasons": ["better"]})
    assert ModelCard.from_json(judged.to_json(), source="card") == judged
    assert CARD.verdict is None
    assert set(json.loads(CARD.to_json())) == {
        "model",
        "artifact",
        "image",
        "parent",
        "created_by",
        "hyperparameters",
        "data",
        "metrics",
        "labels",
        "verdict",
    }


def test_champion_is_followed_by_the_next_version():
    first = Champion.of(CARD, "s3://b/models/x/card.json")
    second = Champion.of(CARD, "s3://b/models/y/card.json", after=first)
    assert (first.version, second.version) == (1, 2)
    assert second.card == "s3://b/models/y/card.json"
    assert Champion.from_json(second.to_json(), source="champion.json") == second
    assert second.parent == "bootstrap-1"


def test_damaged_files_are_refused_in_a_sentence():
    rest = {name: value for name, value in CARD.model_dump(mode="json").items() if name != "data"}
    with pytest.raises(RecordError, match=r"card\.json cannot be used: it has no member 'data'; restore"):
        ModelCard.from_json(json.dumps(rest).encode(), source="s3://b/card.json")
    with pytest.raises(RecordError, match=r"champion\.json .* no member 'artifact'; restore the champion"):
        Champion.from_json(b'{"model": "m"}', source="champion.json")
    with pytest.raises(RecordError, match=r"champion\.json is not valid JSON"):
        Champion.from_json(b"{", source="champion.json")
