"""The three forms of training data, read into memory."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.detector.channels import annotation_boxes, check_channels, read_channel
from include.detector.contract import Channel, Layout, bind_port
from include.detector.errors import ConfigurationError, TrainingDataError
from include.formats.detection_record import write_detection_records
from include.formats.recordio import RecordIOError, frame
from tests.detector import jobs


def channel(tmp_path, name, *, pipe=False) -> Channel:
    directory = tmp_path / name
    directory.mkdir(exist_ok=True)
    return Channel(name, pipe, "", directory)


def read(channels: dict[str, Channel], name="train", num_classes=2, label_width=350, warn=lambda _: None):
    return read_channel(channels, name, num_classes=num_classes, label_width=label_width, warn=warn)


def label(*boxes: tuple[float, ...], width=200, height=100) -> bytes:
    """A label in pixels: class id, left, top, width, height each."""
    names = ("class_id", "left", "top", "width", "height")
    size = {"width": width, "height": height, "depth": 3}
    entries = [dict(zip(names, box, strict=True)) for box in boxes]
    return json.dumps({"annotations": entries, "image_size": [size]}).encode()


def json_channels(tmp_path, labels: list[bytes]) -> dict[str, Channel]:
    """Images with a label file each; nothing here decodes the images."""
    images, annotations = channel(tmp_path, "train"), channel(tmp_path, "train_annotation")
    for index, one in enumerate(labels):
        (images.directory / f"{index:04d}.jpg").write_bytes(b"image")
        (annotations.directory / f"{index:04d}.json").write_bytes(one)
    return {"train": images, "train_annotation": annotations}


def record_channel(tmp_path, records: list[list[tuple[float, ...]]]) -> dict[str, Channel]:
    train = channel(tmp_path, "train")
    out = io.BytesIO()
    write_detection_records(((rows, b"image") for rows in records), out)
    (train.directory / "a.rec").write_bytes(out.getvalue())
    return {"train": train}


def manifest_channel(tmp_path, labels: list[bytes]) -> dict[str, Channel]:
    train = channel(tmp_path, "train", pipe=True)
    out = io.BytesIO()
    for one in labels:
        out.write(frame(b"image"))
        out.write(frame(one))
    train.first_pipe.write_bytes(out.getvalue())
    return {"train": train}


def test_all_forms_give_the_same_samples(tmp_path):
    scenes = [jobs.draw_scene(seed) for seed in range(3)]
    files, piped, manifest = (
        channel(tmp_path, name, pipe=pipe) for name, pipe in (("a", 0), ("b", 1), ("c", 1))
    )
    (files.directory / "train.rec").write_bytes(jobs.record_stream(scenes))
    piped.first_pipe.write_bytes(jobs.record_stream(scenes))
    manifest.first_pipe.write_bytes(jobs.manifest_stream(scenes))
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


def test_an_image_without_objects_is_a_sample(tmp_path):
    manifest = channel(tmp_path, "train", pipe=True)
    manifest.first_pipe.write_bytes(jobs.manifest_stream([jobs.draw_scene(1, objects=0), jobs.draw_scene(2)]))
    assert [len(sample.rows) > 0 for sample in read({"train": manifest})] == [False, True]


def test_boxes_are_clamped_and_a_few_without_area_left_out_with_their_number(tmp_path):
    honest = [label((1, 20, 10, 50, 40))] * 20
    labels = [
        label((1, -10, 50, 110, 80)),
        *honest,
        label((0, 5, 5, 0, 9), (0, 20, 20, 9, 9)),
        label((0, 300, 5, 9, 9)),
    ]
    said: list[str] = []
    samples = read(json_channels(tmp_path, labels), warn=said.append)
    # The last image had one box, and it cannot be used: without it the image would teach background.
    assert len(samples) == 22
    assert samples[0].rows == ((1.0, 0.0, 0.5, 0.5, 1.0),)
    assert samples[-1].rows == ((0.0, 0.1, 0.2, 0.145, 0.29),)
    assert [sentence.split(",")[0] for sentence in said] == [
        "1 of 24 boxes of channel train have no area and were left out",
        "1 of 24 boxes of channel train lie outside their image and were left out",
        "1 of 24 boxes of channel train reached beyond their image and were clamped to it.",
        "Images of channel train that are left out",
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ((0, 10, 20, 60, 90), "they look like pixels, but RecordIO takes ratios of the image from 0 to 1"),
        ((0, 0.5, 0.6, 0.1, 0.2), "are inverted"),
        ((0, 0.1, 0.1, 0.1, 0.4), "have no area"),
        ((0, 1.2, 0.1, 1.5, 0.4), "lie outside their image"),
        ((0.5, 0.1, 0.1, 0.4, 0.4), "have a class id that is not one of the labels"),
        ((2, 0.1, 0.1, 0.4, 0.4), "have a class id that is not one of the labels"),
        ((-1, 0.1, 0.1, 0.4, 0.4), "have a class id that is not one of the labels"),
        ((0, math.nan, 0.1, 0.4, 0.4), "hold a number that is not finite"),
        ((math.inf, 0.1, 0.1, 0.4, 0.4), "hold a number that is not finite"),
    ],
)
def test_recordio_with_faulty_boxes_is_refused_with_a_sentence(tmp_path, row, fault):
    with pytest.raises(TrainingDataError, match=re.escape(fault)) as caught:
        read(record_channel(tmp_path, [[row], [row]]))
    assert str(caught.value).startswith("All boxes of channel train (2) ")
    assert "in record 0 of a.rec" in str(caught.value)


def test_padding_of_a_record_is_no_object(tmp_path):
    padding = (-1.0,) * 5
    samples = read(record_channel(tmp_path, [[(1, 0.25, 0.25, 0.5, 0.5), padding, padding]]))
    assert samples[0].rows == ((1.0, 0.25, 0.25, 0.5, 0.5),)


@pytest.mark.parametrize("widths", [(2, math.inf), (2.5, 5), (2, math.nan), (math.nan, 5), (2, 5.5), (1, 5)])
def test_a_record_whose_label_header_makes_no_sense_is_named(tmp_path, widths):
    train = channel(tmp_path, "train")
    numbers = [*widths, 0, 0.1, 0.1, 0.4, 0.4]
    payload = struct.pack("<IfQQ7f", len(numbers), 0.0, 0, 0, *numbers)
    with (train.directory / "a.rec").open("wb") as file:
        file.write(frame(payload))
    with pytest.raises(RecordIOError, match=r"^The label of record 0 of a\.rec begins with "):
        read({"train": train})


@pytest.mark.parametrize("form", [json_channels, manifest_channel])
def test_labels_that_hold_ratios_are_refused_in_either_form(tmp_path, form):
    labels = [label((0, 0.1, 0.2, 0.3, 0.4)), label((1, 0.5, 0.5, 0.25, 0.5), (0, 0, 0, 1, 1))]
    with pytest.raises(TrainingDataError, match=r"they look like ratios of the image, but this form takes"):
        read(form(tmp_path, labels))


coordinates = st.one_of(st.floats(-0.25, 1.25, width=32), st.sampled_from([-30.0, 40.0, math.nan]))
rows = st.tuples(st.sampled_from([0, 0, 1, 1, 2, 0.5]), coordinates, coordinates, coordinates, coordinates)


@settings(max_examples=60)
@given(st.lists(st.lists(rows, min_size=1, max_size=3), min_size=1, max_size=6), st.sampled_from([0, 90]))
def test_no_row_of_any_form_vanishes(records, honest):
    """Whatever the boxes: refused, or each image and box is there or counted among the left out."""
    records = records + [[(0, 0.25, 0.25, 0.75, 0.75)]] * honest
    # The same boxes as left, top, width and height in pixels of an image of 200 x 100.
    pixels = [
        [(c, a * 200, b * 100, (x - a) * 200, (y - b) * 100) for c, a, b, x, y in one] for one in records
    ]
    total = sum(len(one) for one in records)
    for form, content in (
        (record_channel, records),
        (json_channels, [label(*one) for one in pixels]),
        (manifest_channel, [label(*one) for one in pixels]),
    ):
        said: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            channels = form(Path(folder), content)
            try:
                samples = read(channels, warn=said.append)
            except TrainingDataError:
                continue
        left_out = sum(int(one.split()[0]) for one in said if "boxes of" in one and "left out" in one)
        images = sum(int(one.rstrip(".").split()[-1]) for one in said if one.startswith("Images of"))
        assert sum(len(sample.rows) for sample in samples) + left_out == total
        assert len(samples) + images == len(records)


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"not json",
        pytest.param(b"[" * 200_000, id="nested"),
        pytest.param(b'{"annotations":' + b'{"a":' * 200_000, id="nested annotations"),
        b"{}",
        b'{"annotations":[],"image_size":[]}',
        b'{"annotations":[],"image_size":[{"width":0,"height":5}]}',
        b'{"annotations":[{"class_id":0}],"image_size":[{"width":9,"height":5}]}',
        b'{"annotations":[{"class_id":"cell","left":1,"top":0,"width":1,"height":1}],"image_size":[{"width":9,"height":5}]}',
        b'{"annotations":[{"class_id":1e999999999999,"left":1,"top":0}],"image_size":[{"width":9,"height":5}]}',
    ],
)
def test_a_label_of_another_kind_is_named(text):
    with pytest.raises(
        TrainingDataError,
        match=r"^The annotation of image 4 in the pipe of channel train is not one of object",
    ):
        annotation_boxes(text, "image 4 in the pipe of channel train")


def test_mistakes_in_a_channel_are_one_sentence(tmp_path):
    scenes = [jobs.draw_scene(seed, objects=3) for seed in range(2)]
    train = channel(tmp_path, "train", pipe=True)
    channels = {"train": train}
    stream = jobs.manifest_stream(scenes)
    train.first_pipe.write_bytes(stream)
    with pytest.raises(TrainingDataError, match=r"class id that is not one of the labels.* from 0 to 0"):
        read(channels, num_classes=1)
    with pytest.raises(TrainingDataError, match=r"has 3 objects and needs label_width 17, which is 12\.$"):
        read(channels, label_width=12)
    train.first_pipe.write_bytes(jobs.manifest_stream(scenes[:1]) + jobs.manifest_stream(scenes[1:])[:-200])
    with pytest.raises(RecordIOError, match="channel train ends inside record"):
        read(channels)
    train.first_pipe.write_bytes(b"")
    with pytest.raises(TrainingDataError, match=r"^Channel train holds no images\.$"):
        read(channels)
    with pytest.raises(TrainingDataError, match=r"^Channel validation holds no \.rec file"):
        read({"validation": channel(tmp_path, "validation")}, "validation")


def test_an_image_without_its_annotation_file_is_named(tmp_path):
    images, labels = channel(tmp_path, "train"), channel(tmp_path, "train_annotation")
    (images.directory / "a.jpg").write_bytes(jobs.draw_scene(1).jpeg)
    with pytest.raises(
        TrainingDataError, match=r"^Channel train_annotation holds no a\.json for image a\.jpg\.$"
    ):
        read({"train": images, "train_annotation": labels})


def test_files_that_are_no_image_or_label_are_left_out_with_their_number(tmp_path):
    channels = json_channels(tmp_path, [label((1, 20, 10, 50, 40))] * 2)
    images, labels = (channels[name].directory for name in ("train", "train_annotation"))
    (images / "dir.jpg").mkdir()
    (images / "gone.png").symlink_to(images / "nothing")
    (images / "._0000.jpg").write_bytes(b"copy")
    (labels / "._0000.json").write_bytes(b"copy")
    for name in ("a.jfif", "b.jpe", "c"):
        (images / name).write_bytes(jobs.draw_scene(1).jpeg)
        (labels / name).with_suffix(".json").write_bytes(label())
    (images / "notes.txt").write_text("taken on Monday")
    said: list[str] = []
    assert [sample.source for sample in read(channels, warn=said.append)] == ["0000.jpg", "0001.jpg"]
    copies = "left out, since editors and systems leave such copies behind: 1, for example "
    assert said == [
        f"Files of channel train {copies}'._0000.jpg'.",
        "Entries of channel train not read as files, since they are folders or links to nothing: 2, "
        "for example 'dir.jpg'.",
        f"Files of channel train_annotation {copies}'._0000.json'.",
        "Images of channel train left out, since their names do not end in .jpg, .jpeg or .png "
        "(rename them): 3, for example 'a.jfif'.",
        "Labels of channel train_annotation left out, since channel train has no image of the same name: "
        "3, for example 'a.json'.",
    ]


def test_two_images_with_one_label_file_are_refused(tmp_path):
    channels = json_channels(tmp_path, [label((1, 20, 10, 50, 40))])
    (channels["train"].directory / "0000.png").write_bytes(b"another image")
    with pytest.raises(
        TrainingDataError,
        match=r"^Images 0000\.jpg and 0000\.png of channel train have one label, 0000\.json of channel "
        r"train_annotation: rename one image",
    ):
        read(channels)


@pytest.mark.parametrize("front", ["\ufeff".encode(), b" \r\n\t", "\ufeff \n".encode()])
def test_a_manifest_may_begin_with_a_mark_or_white_space(tmp_path, front):
    one = label((1, 20, 10, 50, 40))
    found = read(manifest_channel(tmp_path, [front + one, front + one]))
    assert [sample.rows for sample in found] == [((1.0, 0.1, 0.1, 0.35, 0.5),)] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_pipe_of_images_is_a_manifest_whatever_follows_them(tmp_path, encoding):
    train = channel(tmp_path, "train", pipe=True)
    scene = jobs.draw_scene(1)
    with train.first_pipe.open("wb") as file:
        file.write(frame(scene.jpeg))
    with pytest.raises(TrainingDataError, match="ends after image 1, without its annotation; check Attrib"):
        read({"train": train})
    with train.first_pipe.open("ab") as file:
        file.write(frame(scene.label().decode().encode(encoding)))
    assert len(read({"train": train})[0].rows) == len(scene.boxes)


def test_a_record_of_229_objects_is_not_taken_for_a_manifest(tmp_path):
    train = channel(tmp_path, "train", pipe=True)
    row = (1, 0.25, 0.25, 0.5, 0.5)
    with train.first_pipe.open("wb") as file:
        write_detection_records([([row], b"image"), ([row] * 229, b"image")], file)
    assert struct.pack("<I", 2 + 5 * 229)[:1] == b"{"
    assert [len(sample.rows) for sample in read({"train": train}, label_width=1200)] == [1, 229]


def test_a_number_too_large_to_hold_is_called_infinite(tmp_path):
    huge = label((1, 20, 10, 50, 40)).replace(b"20", b"1e999", 1)
    with pytest.raises(
        TrainingDataError, match=r"\(inf, 10, 50, 40\) in 0000\.json: an infinite number comes"
    ):
        read(json_channels(tmp_path, [huge]))


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
