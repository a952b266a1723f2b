"""An endpoint's answer becomes a prediction, a line of a file, and a prediction again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.detection import Prediction
from secondlook.failures.exceptions import PredictionError

IMAGE = "s3://second-look/images/2026-11-22/a.jpg"


def answer(*rows, width=500, height=400, depth=3) -> bytes:
    keys = ("class_id", "score", "left", "top", "width", "height")
    annotations = [dict(zip(keys, row, strict=True)) for row in rows]
    size = {"width": width, "height": height, "depth": depth}
    return json.dumps({"image_size": [size], "annotations": annotations}).encode()


def predict(*rows, **size) -> Prediction:
    return Prediction.from_response(IMAGE, '"abc"', "m-1", answer(*rows, **size))


def test_unsorted_answer_is_sorted_and_the_etag_loses_its_quotes():
    prediction = predict((0, 0.3, 1, 2, 10, 10), (2, 0.9, 5, 5, 20, 20), (1, 0.9, 5, 5, 20, 20))
    assert [(d.class_id, d.score) for d in prediction.detections] == [(1, 0.9), (2, 0.9), (0, 0.3)]
    assert prediction.etag == "abc"
    assert prediction.top_score == 0.9
    assert (prediction.width, prediction.height, prediction.depth) == (500, 400, 3)


def test_boxes_beyond_the_border_are_cut_and_useless_rows_dropped():
    prediction = predict(
        (0, 0.9, -3.2, -1, 20, 30),
        (0, 0.8, 480, 390, 40, 40),
        (0, 0.7, 600, 10, 10, 10),  # outside
        (0, 0.6, 10, 10, 0, 10),  # no area
        (0, 0.5, 10, 10, -4, 10),  # inside out
        (0, 0.009, 10, 10, 10, 10),  # noise
        (-1, 0.9, 0, 0, 0, 0),  # an unused row
    )
    assert [d.box.as_tuple() for d in prediction.detections] == [(0, 0, 16.8, 29), (480, 390, 500, 400)]


def test_image_without_detection_has_a_top_score_of_zero():
    assert predict().top_score == 0.0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"prediction": []}',
        b'{"image_size": [], "annotations": []}',
        b'{"image_size": [{"width": 0, "height": 4}], "annotations": []}',
        b'{"image_size": [{"width": 5, "height": 4}], "annotations": [7]}',
        b'{"image_size": [{"width": 5, "height": 4}], "annotations": null}',
        answer((0, 1.5, 0, 0, 1, 1)),
        answer((0, "x", 0, 0, 1, 1)),
        answer((0, "0.5", 0, 0, 1, 1)),
        answer((0, True, 0, 0, 1, 1)),
        answer((0.5, 0.5, 0, 0, 1, 1)),
        answer((-2, 0.5, 0, 0, 1, 1)),
        b"[0.1, 0.9]",
        b'{"predictions": [{"label": "cat", "score": 0.9}]}',
        b'{"predictions": [[0.1, 0.9]]}',
        b'{"detection_boxes": [[0, 0, 1, 1]], "detection_scores": [0.9], "detection_classes": [0]}',
        b'{"predictions": []}',
        b'{"predictions": [{"image_size": {"width": 5, "height": 4}}]}',
        b'{"prediction": [[0, 0.5, 0.1, 0.1, 0.2]]}',
        answer((0, 0.5, None, 0, 1, 1)),
    ],
)
def test_answer_in_another_form_is_refused_naming_model_and_image(body):
    with pytest.raises(PredictionError, match=r"model m-1 about s3://second-look/images/2026-11-22/a\.jpg"):
        Prediction.from_response(IMAGE, "abc", "m-1", body)


FORMS = ("annotations", "predictions", "prediction")


def in_form(form: str, rows) -> bytes:
    """The answer about an image of 500 x 400 pixels; the rows hold ratios, as the network gives them."""
    if form == "prediction":
        return json.dumps({"prediction": [[float(value) for value in row] for row in rows]}).encode()
    pixels = [
        (c, s, left * 500, top * 400, right * 500 - left * 500, bottom * 400 - top * 400)
        for c, s, left, top, right, bottom in rows
    ]
    document = json.loads(answer(*pixels))
    if form == "predictions":
        document = {"predictions": [document | {"image_size": document["image_size"][0]}]}
    return json.dumps(document).encode()


def read(form: str, rows, labels: int | None = 3) -> Prediction:
    return Prediction.from_response(
        IMAGE, "abc", "m-1", in_form(form, rows), file_size=lambda: (500, 400, 3), labels=labels
    )


ratios = st.tuples(
    st.integers(-1, 2).map(int),
    st.floats(0, 1, width=32),
    *[st.floats(0, 1, width=32)] * 2,
    *[st.floats(0.125, 1.25, width=32)] * 2,
)


@given(st.lists(ratios, max_size=12))
def test_the_same_detections_come_out_of_every_form(given_rows):
    first, *others = [read(form, given_rows) for form in FORMS]
    for other in others:
        assert (other.width, other.height, other.depth) == (500, 400, 3)
        assert [(d.class_id, d.score) for d in other.detections] == [
            (d.class_id, d.score) for d in first.detections
        ]
        for mine, theirs in zip(first.detections, other.detections, strict=True):
            assert mine.box.as_tuple() == pytest.approx(theirs.box.as_tuple(), abs=0.011)


def test_ratios_without_the_files_size_are_no_prediction():
    with pytest.raises(PredictionError, match="the size of the image file cannot be read"):
        Prediction.from_response(IMAGE, "abc", "m-1", in_form("prediction", [(0, 0.5, 0, 0, 1, 1)]))


@pytest.mark.parametrize("form", FORMS)
def test_a_class_without_a_label_is_another_models(form):
    with pytest.raises(PredictionError, match="class 3, and the settings have 3 labels"):
        read(form, [(0, 0.5, 0.1, 0.1, 0.2, 0.2), (3, 0.001, 0, 0, 1, 1)])
    assert read(form, [(3, 0.5, 0, 0, 1, 1)], labels=None).detections[0].class_id == 3


def test_pixels_and_ratios_are_not_mistaken_for_each_other():
    with pytest.raises(PredictionError, match="boxes in ratios where pixels belong"):
        predict((0, 0.9, 0.1, 0.1, 0.3, 0.3), (1, 0.4, 0.5, 0.5, 0.5, 0.5))
    with pytest.raises(PredictionError, match="a box far outside the image of 500 x 400 pixels"):
        read("prediction", [(0, 0.9, 120, 80, 200, 160)])
    # A single pixel in the corner beside a real box is a detection, if a poor one.
    assert len(predict((0, 0.9, 0, 0, 1, 1), (1, 0.4, 50, 50, 50, 50)).detections) == 2


rows = st.tuples(
    st.integers(0, 5),
    st.floats(0, 1),
    st.floats(-20, 600),
    st.floats(-20, 500),
    st.floats(-5, 600),
    st.floats(-5, 500),
)


@given(st.lists(rows, max_size=12), st.randoms())
def test_prediction_survives_its_file_and_the_order_of_the_answer(given_rows, random):
    prediction = predict(*given_rows)
    assert Prediction.from_record(jsonl.decode(jsonl.encode([prediction.to_record()]))[0]) == prediction
    random.shuffle(given_rows)
    assert predict(*given_rows) == prediction
    for detection in prediction.detections:
        assert detection.box.clamped(500, 400) == detection.box
        assert 0.01 <= detection.score <= 1


def test_damaged_line_of_a_predictions_file_names_the_image():
    record = predict((0, 0.3, 1, 2, 10, 10)).to_record()
    del record["etag"]
    with pytest.raises(PredictionError, match=r"a\.jpg cannot be read \(no 'etag'\)"):
        Prediction.from_record(record)
    with pytest.raises(PredictionError, match="score the night again"):
        Prediction.from_record(predict().to_record() | {"detections": [[0, 0.5, 3, 3, 1, 9]]})
