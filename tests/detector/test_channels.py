"""The three forms of training data, read into memory."""

from __future__ import annotations

import json
import re

import pytest

from include.detector.channels import annotation_rows, check_channels, read_channel
from include.detector.contract import Channel, Layout, bind_port
from include.detector.errors import ConfigurationError, TrainingDataError
from include.detector.recordio import RecordIOError


def channel(tmp_path, name, *, pipe=False) -> Channel:
    directory = tmp_path / name
    directory.mkdir(exist_ok=True)
    return Channel(name, pipe, "", directory)


def read(channels: dict[str, Channel], name="train", num_classes=2, label_width=350):
    return read_channel(channels, name, num_classes=num_classes, label_width=label_width)


def test_all_forms_give_the_same_samples(tmp_path, tools):
    scenes = [tools.draw_scene(seed) for seed in range(3)]
    files, piped, manifest = (
        channel(tmp_path, name, pipe=pipe) for name, pipe in (("a", 0), ("b", 1), ("c", 1))
    )
    (files.directory / "train.rec").write_bytes(tools.record_stream(scenes))
    piped.first_pipe.write_bytes(tools.record_stream(scenes))
    manifest.first_pipe.write_bytes(tools.manifest_stream(scenes))
    images, labels = channel(tmp_path, "d"), channel(tmp_path, "d_annotation")
    for index, scene in enumerate(scenes):
        (images.directory / f"{index}.JPG").write_bytes(scene.jpeg)
        (labels.directory / f"{index}.json").write_bytes(scene.label())
    channels = {one.name: one for one in (files, piped, manifest, images, labels)}
    expected = [(scene.jpeg, scene.rows()) for scene in scenes]
    for name in "abcd":
        found = read(channels, name)
        assert [sample.image for sample in found] == [jpeg for jpeg, _ in expected]
        for sample, (_, rows) in zip(found, expected, strict=True):
            assert [list(row) for row in sample.rows] == [pytest.approx(row, abs=1e-6) for row in rows]


def test_an_image_without_objects_is_a_sample(tmp_path, tools):
    manifest = channel(tmp_path, "train", pipe=True)
    manifest.first_pipe.write_bytes(
        tools.manifest_stream([tools.draw_scene(1, objects=0), tools.draw_scene(2)])
    )
    assert [len(sample.rows) > 0 for sample in read({"train": manifest})] == [False, True]


def test_boxes_are_clamped_and_those_without_area_left_out():
    label = {
        "image_size": [{"width": 200, "height": 100, "depth": 3}],
        "annotations": [
            {"class_id": 1, "left": -10, "top": 50, "width": 110, "height": 80},
            {"class_id": 0, "left": 5, "top": 5, "width": 0, "height": 9},
            {"class_id": 0, "left": 500, "top": 5, "width": 9, "height": 9},
        ],
    }
    assert annotation_rows(json.dumps(label).encode(), "x") == ((1.0, 0.0, 0.5, 0.5, 1.0),)


@pytest.mark.parametrize(
    "label",
    [
        b"[]",
        b"not json",
        b"{}",
        b'{"annotations":[],"image_size":[]}',
        b'{"annotations":[],"image_size":[{"width":0,"height":5}]}',
        b'{"annotations":[{"class_id":0}],"image_size":[{"width":9,"height":5}]}',
        b'{"annotations":[{"class_id":0,"left":NaN,"top":0,"width":1,"height":1}],"image_size":[{"width":9,"height":5}]}',
    ],
)
def test_a_label_of_another_kind_is_named(label):
    with pytest.raises(
        TrainingDataError, match=r"^The annotation of line 4 of channel train is not one of object"
    ):
        annotation_rows(label, "line 4 of channel train")


def test_mistakes_in_a_channel_are_one_sentence(tmp_path, tools):
    scenes = [tools.draw_scene(seed, objects=3) for seed in range(2)]
    train = channel(tmp_path, "train", pipe=True)
    channels = {"train": train}
    stream = tools.manifest_stream(scenes)
    train.first_pipe.write_bytes(stream)
    with pytest.raises(TrainingDataError, match=r"but num_classes is 1: ids run from 0 to 0\.$"):
        read(channels, num_classes=1)
    with pytest.raises(TrainingDataError, match=r"has 3 objects and needs label_width 17, which is 12\.$"):
        read(channels, label_width=12)
    train.first_pipe.write_bytes(tools.manifest_stream(scenes[:1]) + tools.manifest_stream(scenes[1:])[:-200])
    with pytest.raises(RecordIOError, match="channel train ends inside record"):
        read(channels)
    train.first_pipe.write_bytes(b"")
    with pytest.raises(TrainingDataError, match=r"^Channel train holds no images\.$"):
        read(channels)
    with pytest.raises(TrainingDataError, match=r"^Channel validation holds no \.rec file"):
        read({"validation": channel(tmp_path, "validation")}, "validation")


def test_an_image_without_its_annotation_file_is_named(tmp_path, tools):
    images, labels = channel(tmp_path, "train"), channel(tmp_path, "train_annotation")
    (images.directory / "a.jpg").write_bytes(tools.draw_scene(1).jpeg)
    with pytest.raises(
        TrainingDataError, match=r"^Channel train_annotation holds no a\.json for image a\.jpg\.$"
    ):
        read({"train": images, "train_annotation": labels})


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("train",), "Channel validation is required."),
        (("train", "validation", "test"), "Unknown channel 'test'; known are train, validation, "),
    ],
)
def test_channels_are_checked(tmp_path, names, sentence):
    with pytest.raises(ConfigurationError, match="^" + re.escape(sentence)):
        check_channels({name: channel(tmp_path, name) for name in names})


def test_the_container_contract_is_read_from_the_environment(tmp_path):
    assert str(Layout.from_environment({}).model) == "/opt/ml/model"
    assert (
        Layout.from_environment({"SAGEMAKER_BASE_DIR": str(tmp_path)}).failure == tmp_path / "output/failure"
    )
    assert bind_port({}) == 8080
    with pytest.raises(ConfigurationError, match="SAGEMAKER_BIND_TO_PORT is 'http'"):
        bind_port({"SAGEMAKER_BIND_TO_PORT": "http"})
    with pytest.raises(
        ConfigurationError, match=r"^hyperparameters\.json of the training job cannot be read"
    ):
        Layout(tmp_path).hyperparameters()
