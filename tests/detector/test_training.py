"""Training jobs as SageMaker starts them, from hyperparameters and channels to the artifact."""

from __future__ import annotations

import hashlib
import json
import signal

import pytest

from tests.detector import jobs

CROSS_ENTROPY = r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train cross_entropy <loss>=(\S+)"
SMOOTH_L1 = r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train smooth_l1 <loss>=(\S+)"
VALIDATION_MAP = r"#quality_metric: host=\S+, epoch=\S+, validation mAP <score>=\((\S+)\)"
THROUGHPUT = r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"
PROGRESS = r"#progress_metric: host=\S+, completed (\S+) %"
ARTIFACT = ["hyperparams.json", "model_algo_1-0000.params", "model_algo_1-symbol.json"]


def digest(model) -> str:
    """One hash over all files of an artifact."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(model.iterdir()))).hexdigest()


def test_training_from_named_pipes_learns_and_leaves_the_algorithms_artifact(trained):
    assert trained.failure is None
    losses = trained.metric(CROSS_ENTROPY)
    assert len(losses) == 4
    assert losses[-1] < 0.75 * losses[0]
    assert len(trained.metric(SMOOTH_L1)) == len(trained.metric(THROUGHPUT)) == 4
    assert trained.metric(PROGRESS) == [25.0, 50.0, 75.0, 100.0]
    assert all(0 <= value <= 1 for value in trained.metric(VALIDATION_MAP))
    assert trained.metric(VALIDATION_MAP)
    assert sorted(path.name for path in trained.model.iterdir()) == ARTIFACT
    for line in (
        "Docker entrypoint called with argument(s): train",
        "Final configuration: ",
        "Saved checkpoint to ",
    ):
        assert line in trained.output
    hyperparameters = json.loads((trained.model / "hyperparams.json").read_text())
    assert all(isinstance(value, str) for value in hyperparameters.values())
    assert hyperparameters["base_network"] == "slim-ssd"
    assert hyperparameters["nms_topk"] == "400"


def test_the_best_map_in_the_log_is_that_of_the_saved_model(job, scenes, run_script, tmp_path):
    job.hyperparameters |= {"num_training_samples": "48", "epochs": "12", "image_shape": "64"}
    job.files("train", {"train.rec": jobs.record_stream(scenes)})
    job.files("validation", {"validation.rec": jobs.record_stream(scenes[:16])})
    outcome = job.run()
    records = job.base / "input/data/validation/validation.rec"
    best = max(outcome.metric(VALIDATION_MAP))
    assert best > 0.1
    assert float(run_script("evaluate_artifact.py", outcome.model, records)) == pytest.approx(best, abs=1e-6)


def test_the_symbol_is_the_algorithms_training_symbol(trained, run_script):
    described = json.loads(run_script("describe_artifact.py", trained.model))
    assert described["outputs"] == [
        "cls_prob_output",
        "loc_loss_output",
        "cls_label_output",
        "det_out_output",
    ]
    assert set(described["inputs"]) == {"data", "label"}
    assert {
        "multibox_target",
        "cls_prob",
        "loc_loss_",
        "loc_loss",
        "cls_label",
        "detection",
        "det_out",
    } <= set(described["nodes"])
    # What is cut out to serve answers exactly as the whole training graph fed with an empty label.
    assert described["largest_difference"] == 0.0
    # One image alone and the same image among others get the same detections.
    assert described["largest_batch_difference"] == 0.0


def test_the_same_input_gives_the_same_bytes(job, trained, scenes):
    job.hyperparameters |= {"num_training_samples": "40"}
    job.pipe("train", jobs.manifest_stream(scenes[:40])).pipe("validation", jobs.manifest_stream(scenes[40:]))
    assert digest(job.run().model) == digest(trained.model)


@pytest.mark.parametrize("unpacked", [False, True], ids=["model.tar.gz", "unpacked files"])
def test_a_model_is_continued_from_recordio_files(job, trained, scenes, unpacked):
    job.hyperparameters |= {"num_training_samples": "16", "epochs": "1", "learning_rate": "0.001"}
    job.files("train", {"train.rec": jobs.record_stream(scenes[:16])})
    job.files("validation", {"validation.rec": jobs.record_stream(scenes[40:])})
    archive = {"model.tar.gz": jobs.model_archive(trained.model, inside="./")}
    files = {path.name: path.read_bytes() for path in trained.model.iterdir()}
    job.files("model", files if unpacked else archive, "application/x-sagemaker-model")
    outcome = job.run()
    assert outcome.exit_code == 0, outcome.output
    assert "Start training from the model in the model channel." in outcome.output
    assert outcome.metric(CROSS_ENTROPY)[0] < 0.75 * trained.metric(CROSS_ENTROPY)[0]
    symbol = "model_algo_1-symbol.json"
    assert (outcome.model / symbol).read_bytes() == (trained.model / symbol).read_bytes()
    assert digest(outcome.model) != digest(trained.model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"num_classes": "3"},
            "ClientError: num_classes is 3, but the model in the model channel has 2; "
            "a model is continued with the same num_classes.",
        ),
        (
            {"base_network": "resnet-50", "image_shape": "300"},
            "ClientError: base_network is resnet-50, but the model in the model channel has slim-ssd; "
            "a model is continued with the same base_network.",
        ),
    ],
)
def test_a_model_of_another_kind_is_not_continued(job, trained, scenes, change, sentence):
    job.hyperparameters |= {"num_training_samples": "8"} | change
    job.files("train", {"train.rec": jobs.record_stream(scenes[:8])})
    job.files("validation", {"validation.rec": jobs.record_stream(scenes[:8])})
    job.files("model", {"model.tar.gz": jobs.model_archive(trained.model)}, "application/x-sagemaker-model")
    outcome = job.run()
    assert (outcome.exit_code, outcome.failure) == (1, sentence)
    assert not outcome.model.exists()


def test_image_and_json_files_train_too_and_a_broken_image_is_left_out(job, scenes):
    job.hyperparameters |= {"num_training_samples": "17", "epochs": "1", "early_stopping": "True"}
    job.hyperparameters |= {"mini_batch_size": "5", "optimizer": "sgd", "lr_scheduler_step": "1"}
    for channel, chosen in (("train", scenes[:16]), ("validation", scenes[40:])):
        job.files(channel, {f"a/{index}.jpg": scene.jpeg for index, scene in enumerate(chosen)}, "image/jpeg")
        labels = {f"a/{index}.json": scene.label() for index, scene in enumerate(chosen)}
        job.files(f"{channel}_annotation", labels, "application/x-image")
    job.files("train", {"a/x.jpg": scenes[0].jpeg[:900]}, "image/jpeg")
    job.files("train_annotation", {"a/x.json": jobs.draw_scene(1, objects=0).label()}, "application/x-image")
    outcome = job.run()
    assert outcome.exit_code == 0, outcome.output
    assert (
        "The image of x.jpg is left out: The image cannot be decoded: the file is cut short."
        in outcome.output
    )
    assert sorted(path.name for path in outcome.model.iterdir()) == ARTIFACT


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epoch": "9"}, "ClientError: Unknown hyperparameter 'epoch'; known are "),
        (
            {"mini_batch_size": "many"},
            "ClientError: Hyperparameter mini_batch_size is 'many'; expected an integer",
        ),
        (
            {"base_network": "vgg-16", "image_shape": "300"},
            "ClientError: base_network vgg-16 can only be continued from a model channel here",
        ),
        (
            {"mini_batch_size": "32"},
            "ClientError: Channel train holds 8 images, fewer than mini_batch_size 32.",
        ),
        ({"label_width": "8"}, "ClientError: record "),
    ],
)
def test_a_bad_configuration_is_one_sentence_in_the_failure_file(job, scenes, change, sentence):
    job.hyperparameters |= {"num_training_samples": "8"} | change
    job.files("train", {"train.rec": jobs.record_stream(scenes[:8])})
    job.files("validation", {"validation.rec": jobs.record_stream(scenes[:8])})
    outcome = job.run()
    assert outcome.exit_code == 1
    assert outcome.failure is not None
    assert outcome.failure.startswith(sentence)
    assert "\n" not in outcome.failure


def test_a_stopped_job_saves_the_model_it_has(job, scenes):
    job.hyperparameters |= {"num_training_samples": "16", "epochs": "5000"}
    job.pipe("train", jobs.record_stream(scenes[:16])).pipe("validation", jobs.record_stream(scenes[40:]))
    process = job.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "completed" in line:
            process.send_signal(signal.SIGTERM)
            break
    outcome = job.finish(process)
    assert outcome.exit_code == 0
    assert "Training was stopped; saving the model as it is." in outcome.output
    assert sorted(path.name for path in outcome.model.iterdir()) == ARTIFACT


def test_a_job_stopped_while_it_waits_for_its_pipe_ends_at_once(job):
    job.hyperparameters |= {"num_training_samples": "16"}
    job.pipe("train", None).pipe("validation", None)
    process = job.start()
    for line in process.stdout:
        if "Final configuration" in line:
            process.send_signal(signal.SIGTERM)
            break
    outcome = job.finish(process)
    assert outcome.exit_code == 0
    assert "there is no model to save" in outcome.output
