"""A fault of the model fails the night at its first part; a fault of an image is the image's alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from secondlook.failures.exceptions import ModelFaultError
from secondlook.failures.explain import fault_of, sentence_of
from secondlook.jobs.failure import JobFailedError
from secondlook.operators import deploy
from secondlook.scoring.answers import EndpointUnavailableError
from tests.operators.archive import JPEG, NIGHT, parts, picture, quarantined
from tests.support.shapes import LABELS

SIZE = {"width": 320, "height": 240, "depth": 3}
BOX = {"class_id": 0, "score": 0.9, "left": 4, "top": 4, "width": 40, "height": 30}
NO_DETECTOR = {
    "rubbish": {"answer": "\x00\x01 nothing that anybody could read"},
    "a page": {"answer": "<html>\r\n<h1>It works!</h1>\r\n</html>"},
    "more labels": {"answer": json.dumps({"image_size": [SIZE], "annotations": [BOX | {"class_id": 2}]})},
    "pixels": {"answer": json.dumps({"prediction": [[0, 0.9, 40, 30, 90, 80]]})},
    "refusals": {"status": "400", "answer": "I take text/csv only"},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that fails is given up after a moment."""
    monkeypatch.setattr("secondlook.scoring.endpoint_model.CONTROL_DELAYS_SECONDS", (0.01, 0.5, 1, 2, 4))
    monkeypatch.setattr(deploy, "TRY_OUT_DELAYS_SECONDS", (0.01, 0.02))


def put_night(project: Any, *bodies: bytes) -> None:
    for number, body in enumerate(bodies):
        project.put(f"{project.layout.images(NIGHT)}/{number:02d}.jpg", body)


def codes(project: Any) -> dict[str, int]:
    return dict(Counter(line["code"] for line in quarantined(project, "stub").values()))


@pytest.mark.parametrize(("kind", "images"), list(zip(NO_DETECTOR, (2, 6, 6, 2, 6), strict=True)))
def test_a_model_that_is_no_detector_fails_the_first_part_until_it_is_another(
    project: Any, context: dict[str, Any], kind: str, images: int
) -> None:
    project.serve_with_stub(**NO_DETECTOR[kind])
    with pytest.raises(ModelFaultError, match="does not answer as the object detection algorithm") as tried:
        project.deploy(labels=LABELS).execute(context)
    # Deployed all the same: by another run, say. The images are not to blame either, sound or not.
    put_night(project, *[picture()] * (images - 1), JPEG + b"cut")
    scoring = project.score("stub", part_size=images, labels=LABELS)
    with pytest.raises(ModelFaultError, match="or a setting is at fault, not the images") as caught:
        scoring.execute(context)
    for error in (tried.value, caught.value):
        assert not fault_of(error).passing
        assert f"The model stub on the endpoint {project.endpoint}" in sentence_of(error)
        assert sentence_of(error).isprintable()
    assert f"{images - 1} of the {images - 1} images" in str(caught.value)
    assert f"part 0 of the night {NIGHT}" in str(caught.value)
    assert project.keys(project.layout.predictions(NIGHT, "stub")) == []

    project.serve_with_stub()
    project.deploy(labels=LABELS).execute(context)
    scored = project.score("stub", part_size=images, labels=LABELS).execute(context)
    assert (scored["images"], scored["scored"]) == (images, images)


def test_up_to_the_share_the_images_are_set_aside_and_beyond_it_nothing_is_written(
    project: Any, context: dict[str, Any]
) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    put_night(project, *[picture(b"rubbish ")] * 2, *[picture()] * 8)
    scored = project.score("stub").execute(context)
    assert (scored["scored"], scored["quarantined"]) == (8, 2)
    assert codes(project) == {"model-error": 2}

    put_night(project, *[picture(b"rubbish ")] * 3)
    with pytest.raises(
        ModelFaultError, match=r"3 of the 10 images .* more than the 20% .*It works!"
    ) as caught:
        project.score("stub", part_size=10).execute(context)
    assert "[serving] max_failure_share" in str(caught.value)
    assert project.score("stub", max_failure_share=0.3).execute(context)["quarantined"] == 3
    # Different faults are not one fault, and two images are no share of anything.
    put_night(project, picture(b"status 422 "), picture(b"status 400 "))
    assert project.score("stub").execute(context)["scored"] == 7


def test_images_to_blame_by_themselves_never_count(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    cut = [JPEG + word for word in (b"status 400 ", b"status 500 ", b"rubbish ", b"status 400 cut")]
    put_night(project, *cut, b"", b"text", picture(), picture(b"status 400 "))
    scored = project.score("stub").execute(context)
    assert (scored["scored"], scored["quarantined"]) == (1, 7)
    assert codes(project) == {"unreadable": 5, "empty-file": 1, "not-an-image": 1}


def test_a_part_of_few_images_is_no_proof_against_a_model_that_answers_about_a_control_image(
    project: Any, context: dict[str, Any]
) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    put_night(project, *[picture()] * 3, *[picture(b"status 400 ")] * 2)
    scored = project.score("stub", part_size=3).execute(context)
    assert (scored["scored"], scored["quarantined"]) == (3, 2)


def test_an_image_that_kills_the_container_is_set_aside_and_the_others_are_scored(
    project: Any, context: dict[str, Any]
) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    put_night(project, *[picture()] * 6, picture(b"poison "), *[picture()] * 13)
    scored = project.score("stub").execute(context)
    assert (scored["scored"], scored["quarantined"]) == (19, 1)
    assert quarantined(project, "stub")["06.jpg"]["code"] == "model-error"


def test_a_container_that_fails_on_everything_is_tried_again_and_blames_no_image(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondlook.scoring.endpoint_model.CONTROL_DELAYS_SECONDS", (0.01, 0.02))
    project.serve_with_stub(status="500", answer="out of memory")
    with pytest.raises(ModelFaultError, match="an error of the model's server") as tried:
        project.deploy().execute(context)
    assert "out of memory" in str(tried.value)
    # In service already, it may only have too much to do.
    with pytest.raises(EndpointUnavailableError, match="fails on every image, a control image included"):
        project.deploy().execute(context)
    put_night(project, *[picture()] * 40)
    calls = project.calls("InvokeEndpoint")
    with pytest.raises(EndpointUnavailableError, match="out of memory") as caught:
        project.score("stub").execute(context)
    assert fault_of(caught.value).passing
    # Not all 40 were sent to find that out.
    assert project.calls("InvokeEndpoint") < calls + 20
    assert parts(project, "stub") == {}
    assert project.keys(project.layout.predictions(NIGHT, "stub")) == []

    project.serve_with_stub()
    project.deploy().execute(context)
    assert project.score("stub").execute(context)["scored"] == 40


@pytest.mark.parametrize(("kind", "images"), [("a page", 2), ("more labels", 6), ("pixels", 6)])
def test_answers_of_a_batch_transform_that_are_no_detectors_are_not_read_again(
    project: Any, context: dict[str, Any], kind: str, images: int
) -> None:
    project.serve_with_stub(**NO_DETECTOR[kind])
    put_night(project, *[picture()] * (images - 1), JPEG + b"cut")
    jobs = project.calls("CreateTransformJob")
    for tries in (1, 2):
        with pytest.raises(ModelFaultError, match="The model stub in the batch transform") as caught:
            project.score_archive(part_size=images, labels=LABELS).execute(context)
        assert not fault_of(caught.value).passing
        assert f"{images - 1} of the {images - 1} images" in str(caught.value)
        assert project.calls("CreateTransformJob") == jobs + tries
        assert project.keys(project.layout.predictions(NIGHT, "stub")) == []

    # Corrected where it is: all addresses, and with them the names of the jobs, stay the same.
    project.upload_artifact("stub/steered/model.tar.gz")
    scored = project.score_archive(part_size=images, labels=LABELS).execute(context)
    assert (scored["images"], scored["scored"]) == (images, images)


@pytest.mark.parametrize("status", ["400", "500"])
def test_a_batch_transform_without_an_answer_fails_with_the_containers_words(
    project: Any, context: dict[str, Any], status: str
) -> None:
    project.serve_with_stub(status=status, answer="I take text/csv only")
    put_night(project, *[picture()] * 3)
    with pytest.raises(JobFailedError, match="I take text/csv only") as caught:
        project.score_archive().execute(context)
    assert not fault_of(caught.value).passing
    assert project.keys(project.layout.predictions(NIGHT, "stub")) == []
    project.upload_artifact("stub/steered/model.tar.gz")
    assert project.score_archive().execute(context)["scored"] == 3


def test_a_batch_transform_counts_failures_part_by_part(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    put_night(project, *[picture()] * 10, *[picture(b"rubbish ")] * 3, *[picture()] * 7, picture(b"rubbish "))
    operator = project.score_archive(part_size=10)
    with pytest.raises(ModelFaultError, match=r"3 of the 10 images asked about in part 1 .*It works!"):
        operator.execute(context)
    # The first part is sound and stays; the image alone in the last part is no proof, others were answered.
    assert list(parts(project, "stub")) == [project.layout.prediction_part(NIGHT, "stub", 0)]
    scored = project.score_archive(part_size=10, max_failure_share=0.3).execute(context)
    assert (scored["scored"], scored["quarantined"]) == (17, 4)
    project.scored("stub", part_size=10).execute(context)
    assert codes(project) == {"model-error": 4}


def test_images_that_decode_and_are_refused_twice_count_in_a_batch_transform(
    project: Any, context: dict[str, Any]
) -> None:
    project.serve_with_stub()
    put_night(project, *[picture()] * 5, *[picture(b"status 400 ")] * 3, *[JPEG + b"status 400 "] * 4)
    with pytest.raises(ModelFaultError, match=r"3 of the 8 images .* with no answer"):
        project.score_archive().execute(context)
    put_night(project, *[picture()] * 6)
    scored = project.score_archive().execute(context)
    assert (scored["scored"], scored["quarantined"]) == (6, 6)
