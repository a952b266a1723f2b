"""The endpoint's container: both response forms, bad bodies, many callers at once."""

from __future__ import annotations

import io
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.detector import jobs


def png(jpeg: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(out, "PNG")
    return out.getvalue()


def test_ping_is_an_empty_200(server):
    assert server.request("/ping") == (200, b"")


def test_the_default_answer_is_rows_of_ratios(server, scenes):
    status, answer = server.invoke(scenes[0].jpeg)
    assert status == 200
    assert list(answer) == ["prediction"]
    assert answer["prediction"]
    for class_id, score, xmin, ymin, xmax, ymax in answer["prediction"]:
        assert class_id in (0.0, 1.0)
        assert 0.01 <= score <= 1
        assert 0 <= xmin <= xmax <= 1
        assert 0 <= ymin <= ymax <= 1


def test_with_annotation_1_the_same_boxes_come_in_pixels(server, scenes):
    _, ratios = server.invoke(scenes[0].jpeg)
    status, answer = server.invoke(scenes[0].jpeg, accept="application/json;annotation=1")
    assert status == 200
    assert answer["image_size"] == [{"width": 160, "height": 120, "depth": 3}]
    assert len(answer["annotations"]) == len(ratios["prediction"])
    for found, (class_id, score, xmin, ymin, xmax, ymax) in zip(
        answer["annotations"], ratios["prediction"], strict=True
    ):
        assert (found["class_id"], found["score"]) == (int(class_id), score)
        corners = (
            found["left"],
            found["top"],
            found["left"] + found["width"],
            found["top"] + found["height"],
        )
        assert corners == pytest.approx((xmin * 160, ymin * 120, xmax * 160, ymax * 120))


@pytest.mark.parametrize("content_type", ["image/png", "application/x-image", "IMAGE/PNG; charset=binary"])
def test_png_is_taken_under_each_content_type(server, scenes, content_type):
    status, answer = server.invoke(png(scenes[1].jpeg), content_type)
    assert status == 200
    assert answer["prediction"]


def test_a_grey_picture_is_answered_with_its_own_depth(server, scenes):
    out = io.BytesIO()
    Image.open(io.BytesIO(scenes[2].jpeg)).convert("L").save(out, "JPEG")
    status, answer = server.invoke(out.getvalue(), accept="application/json; annotation=1")
    assert status == 200
    assert answer["image_size"] == [{"width": 160, "height": 120, "depth": 1}]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty; send the bytes of a JPEG or PNG file."),
        (b"I am a text file named .jpg", "The body is not a JPEG or PNG image."),
        (b"\0" * (26 << 20), "The image is too large: more than 26214400 bytes."),
    ],
    ids=["empty", "text", "26 MiB"],
)
def test_a_body_that_is_no_image_is_a_400_with_a_sentence(server, body, sentence):
    assert server.invoke(body) == (400, {"message": sentence})


def test_a_truncated_jpeg_is_a_400_with_a_sentence(server, scenes):
    status, answer = server.invoke(scenes[0].jpeg[:1500])
    assert (status, answer) == (400, {"message": "The image cannot be decoded: the file is cut short."})


def test_other_content_types_and_paths_are_refused(server, scenes):
    status, answer = server.invoke(scenes[0].jpeg, "text/csv")
    assert status == 415
    assert answer["message"].startswith("Content type 'text/csv' is not one of image/jpeg")
    assert server.request("/models")[0] == 404


def test_callers_at_once_get_the_answers_they_would_get_alone(server, scenes):
    bodies = [scene.jpeg for scene in scenes[:20]] + [b"no image"] * 4
    alone = [server.invoke(body) for body in bodies]
    with ThreadPoolExecutor(12) as callers:
        assert list(callers.map(server.invoke, bodies)) == alone


def test_sigterm_ends_the_server_cleanly_even_under_way(trained, scenes):
    running = jobs.serve(trained.model.parent)
    with ThreadPoolExecutor(4) as callers:
        answers = [callers.submit(running.invoke, scenes[0].jpeg) for _ in range(8)]
        assert answers[0].result()[0] == 200
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=5) == 0
        for answer in answers[1:]:
            answer.exception()  # answered or refused, but none hangs


@pytest.mark.usefixtures("programs")
def test_a_model_directory_without_a_model_is_one_sentence(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(AssertionError, match=r"A model has exactly one \*\.params; 0 were found\."):
        jobs.serve(tmp_path)


def test_each_known_form_of_an_answer_can_be_asked_for_by_the_environment(trained, scenes, monkeypatch):
    answers = {}
    for form in ("annotations", "predictions", "prediction"):
        monkeypatch.setenv("SECONDLOOK_DETECTOR_ANSWER_FORM", form)
        running = jobs.serve(trained.model.parent)
        _, answers[form] = running.invoke(scenes[0].jpeg, accept="application/json;annotation=1")
        assert running.stop() == 0
    documented = answers["annotations"]
    (wrapped,) = answers["predictions"]["predictions"]
    assert wrapped == {**documented, "image_size": documented["image_size"][0]}
    assert list(answers["prediction"]) == ["prediction"]
    assert len(answers["prediction"]["prediction"]) == len(documented["annotations"])
    monkeypatch.setenv("SECONDLOOK_DETECTOR_ANSWER_FORM", "boxes")
    with pytest.raises(AssertionError, match="expected one of annotations, predictions, prediction"):
        jobs.serve(trained.model.parent)
