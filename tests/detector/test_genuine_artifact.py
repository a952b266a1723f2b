"""A model trained by the built-in algorithm on AWS is hosted and continued by the same loader as our own."""

from __future__ import annotations

import json

import pytest

from tests.detector import jobs


@pytest.fixture(scope="module")
def genuine(tmp_path_factory, run_script):
    base = tmp_path_factory.mktemp("genuine")
    run_script("make_genuine.py", base / "model")
    return base / "model"


def test_it_answers_as_its_own_training_graph_does(genuine, run_script):
    described = json.loads(run_script("describe_artifact.py", genuine))
    assert described["detections"] > 0
    assert described["largest_difference"] < 1e-6
    assert described["largest_batch_difference"] == 0.0


def test_it_is_served(genuine, scenes):
    running = jobs.serve(genuine.parent)
    status, answer = running.invoke(scenes[0].jpeg, accept="application/json;annotation=1")
    assert status == 200
    assert answer["image_size"] == [{"width": 160, "height": 120, "depth": 3}]
    assert answer["annotations"]
    assert running.stop() == 0


def test_it_is_continued_under_its_own_symbol_with_frozen_layers_untouched(job, genuine, scenes, run_script):
    job.hyperparameters |= {
        "base_network": "resnet-50",
        "image_shape": "300",
        "num_training_samples": "8",
        "epochs": "2",
        "freeze_layer_pattern": "^(conv0_|stage1_).*",
    }
    job.files("train", {"train.rec": jobs.record_stream(scenes[:8])})
    job.files("validation", {"validation.rec": jobs.record_stream(scenes[40:])})
    archive = {"model.tar.gz": jobs.model_archive(genuine)}
    job.files("model", archive, "application/x-sagemaker-model")
    outcome = job.run()
    assert outcome.exit_code == 0, outcome.output
    losses = outcome.metric(r"train cross_entropy <loss>=(\S+)")
    assert losses[1] < losses[0]
    changed = json.loads(run_script("changed_parameters.py", genuine, outcome.model))
    assert changed["symbol"] is False
    assert "conv0_weight" not in changed["arguments"]
    assert "stage1_unit1_conv1_weight" not in changed["arguments"]
    assert "stage2_unit1_conv1_weight" in changed["arguments"]
