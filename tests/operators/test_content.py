"""Images are known by their bytes, however they came into the bucket: an ETag is no hash of the content."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from secondlook import jsonl
from secondlook.failures.exceptions import TrainingDataError
from secondlook.hooks.s3 import SHA256, ObjectMissingError, ObjectStore
from secondlook.records.content import with_content
from secondlook.records.evaluation import Evaluation, HoldoutChangedError, HoldoutLeakError
from secondlook.records.training_data import UnknownImageError, trained_images
from secondlook.records.voc_holdout import HoldoutFreezing
from secondlook.training import NamedImage
from tests.operators.waits import context_of
from tests.support.airflow import TaskInstance
from tests.support.aws import STUB_IMAGE
from tests.support.model_project import NIGHT
from tests.support.shapes import LABELS, annotation_xml, draw

ENCRYPTED = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/images"}


def put_in_parts(project: Any, key: str, data: bytes) -> None:
    """Upload as multipart: the ETag is a hash of hashes, with the number of parts behind it."""
    place = {"Bucket": project.bucket, "Key": key}
    upload = {**place, "UploadId": project.s3.create_multipart_upload(**place)["UploadId"]}
    part = project.s3.upload_part(**upload, PartNumber=1, Body=data)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    project.s3.complete_multipart_upload(**upload, MultipartUpload=parts)


def put_encrypted(project: Any, key: str, data: bytes) -> None:
    project.s3.put_object(Bucket=project.bucket, Key=key, Body=data, **ENCRYPTED)


def put_by_copying(project: Any, key: str, data: bytes) -> None:
    project.put("elsewhere", data)
    source = {"Bucket": project.bucket, "Key": "elsewhere"}
    project.s3.copy_object(Bucket=project.bucket, Key=key, CopySource=source)


def put_plainly(project: Any, key: str, data: bytes) -> None:
    project.put(key, data)


WAYS = (put_in_parts, put_encrypted, put_by_copying, put_plainly)


def upload_copies(project: Any, folder: str, seeds: range, *, annotated: bool = True) -> None:
    """Upload drawn pictures under other names, each in another way than the one before."""
    for seed in seeds:
        picture, put = draw(seed), WAYS[seed % len(WAYS)]
        if not annotated:
            put(project, f"{folder}/copy{seed}.jpg", picture.data)
            continue
        put(project, f"{folder}/JPEGImages/copy{seed}.jpg", picture.data)
        project.put(f"{folder}/Annotations/copy{seed}.xml", annotation_xml(picture))


def etag(project: Any, key: str) -> str:
    return str(project.s3.head_object(Bucket=project.bucket, Key=key)["ETag"]).strip('"')


def contents(lines: list[dict[str, Any]]) -> list[str]:
    return [line["sha256"] for line in lines]


def test_what_is_read_tells_its_sha256_and_the_etag_does_not(project: Any) -> None:
    data = draw(1).data
    store = ObjectStore(project.bucket)
    for put in WAYS:
        put(project, put.__name__, data)
        assert (
            store.read(put.__name__).sha256 == store.sha256(put.__name__) == hashlib.sha256(data).hexdigest()
        )
    assert etag(project, "put_in_parts") != etag(project, "put_plainly")
    with pytest.raises(ObjectMissingError):
        store.sha256("nothing")


def test_only_what_is_not_known_is_read_and_what_is_not_there_is_told(project: Any) -> None:
    other = f"{project.bucket}-other"
    project.s3.create_bucket(Bucket=other)
    project.s3.put_object(Bucket=other, Key="far.jpg", Body=b"far")
    project.put("old.jpg", b"old")
    version = etag(project, "old.jpg")
    project.put("old.jpg", b"new")
    store = ObjectStore(project.bucket)
    images = [
        NamedImage(store.uri("nothing-to-read.jpg"), "e", "0" * 64),
        NamedImage(f"s3://{other}/far.jpg", None, None),
        NamedImage(store.uri("old.jpg"), version, None),
        NamedImage(store.uri("old.jpg"), None, None),
        NamedImage(store.uri("gone.jpg"), None, None),
        NamedImage("https://example.com/a.jpg", None, None),
    ]
    found, faults = with_content(store, images)
    assert [image and image.sha256 for image in found] == [
        "0" * 64,
        hashlib.sha256(b"far").hexdigest(),
        None,
        hashlib.sha256(b"new").hexdigest(),
        None,
        None,
    ]
    assert len(faults) == 3
    assert any("old.jpg is no longer the version that is meant" in fault for fault in faults)
    assert any("gone.jpg does not exist" in fault for fault in faults)
    assert any("is not an S3 address" in fault for fault in faults)


def test_a_holdout_image_is_not_learned_however_its_copy_was_uploaded(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    upload_copies(ready, f"{ready.layout.holdout('v2')}/voc/clean", range(3000, 3012))
    HoldoutFreezing(ObjectStore(ready.bucket), ready.layout, "v2", LABELS, logging.getLogger()).freeze()
    held_out = set(contents(ready.lines(ready.layout.holdout_manifest("v2"))))
    assert len(held_out) == 12
    # Lines without any identity, as a manifest from elsewhere has them.
    ready.answer_night(range(3000, 3024))

    trained = ready.train(holdout_version="v2", validation_share=0).execute(context)

    assert trained["new"] == 12
    lines = ready.lines(ready.layout.training_manifest(trained["model"], "train"))
    assert not held_out & set(contents(lines))
    for line in lines:
        data = ready.s3.get_object(Bucket=ready.bucket, Key=ready.layout.key_of(line["source-ref"]))[
            "Body"
        ].read()
        assert line["sha256"] == hashlib.sha256(data).hexdigest()


def test_images_that_cannot_be_read_are_left_out_as_long_as_they_are_few(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    for seed in (3000, 3001):
        key = f"{ready.layout.images(NIGHT)}/shape{seed}.jpg"
        ready.s3.delete_object(Bucket=ready.bucket, Key=key)
    assert ready.train(validation_share=0).execute(context)["new"] == 10
    ready.s3.delete_object(Bucket=ready.bucket, Key=key.replace("3001", "3002"))
    with pytest.raises(UnknownImageError, match=r"the sha256 of 3 images.*shape3000.jpg does not exist"):
        ready.train(validation_share=0).execute({"ti": TaskInstance()})


def learned_by(ready: Any, context: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> str:
    """Train on images whose copies become a holdout afterwards; the lines that tell of it are changed."""
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    model = str(ready.train(validation_share=0).execute(context)["model"])
    key = ready.layout.training_manifest(model, "train")
    lines = ready.lines(key)
    for line in lines:
        change(line)
    ready.put(key, jsonl.encode(lines))
    upload_copies(ready, f"{ready.layout.holdout('v2')}/voc/clean", range(3000, 3012))
    HoldoutFreezing(ObjectStore(ready.bucket), ready.layout, "v2", LABELS, logging.getLogger()).freeze()
    return model


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_has_learned_copies_of_the_holdout_is_not_compared(
    ready: Any, context: dict[str, Any], told: bool
) -> None:
    model = learned_by(ready, context, lambda line: told or line.pop("sha256"))
    with pytest.raises(HoldoutLeakError, match=f"{model} was trained on 12 images of the holdout v2"):
        ready.evaluate(model, holdout_version="v2").execute(context)


def test_what_a_model_has_learned_is_known_or_it_is_not_compared(ready: Any, context: dict[str, Any]) -> None:
    def is_gone(line: dict[str, Any]) -> None:
        if line["source-ref"].endswith("3005.jpg"):
            del line["sha256"]
            line["source-ref"] += ".gone"

    model = learned_by(ready, context, is_gone)
    with pytest.raises(UnknownImageError, match=r"not tell the sha256 of 1 images.*3005.jpg.gone does not"):
        ready.evaluate(model, holdout_version="v1").execute(context)
    card = ready.read(ready.layout.card(model))
    card["data"]["train_manifest"] = None
    ready.put(ready.layout.card(model), json.dumps(card).encode())
    with pytest.raises(UnknownImageError, match=f"The card of {model} names no train_manifest"):
        ready.evaluate(model, holdout_version="v1").execute(context)


def test_a_holdout_image_that_was_replaced_is_not_judged_with(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    model = ready.train().execute(context)["model"]
    upload_copies(ready, f"{ready.layout.holdout('v2')}/voc/clean", range(4000, 4004))
    HoldoutFreezing(ObjectStore(ready.bucket), ready.layout, "v2", LABELS, logging.getLogger()).freeze()
    judged = ready.evaluate(model, holdout_version="v2")
    key = ready.layout.key_of(ready.lines(ready.layout.holdout_manifest("v2"))[1]["source-ref"])
    # Uploaded again it is the same image, under another ETag.
    put_in_parts(ready, key, ready.get(key))
    log = logging.getLogger()
    Evaluation(ObjectStore(ready.bucket), ready.layout, "v2", LABELS, log).refuse_unfair([])
    put_in_parts(ready, key, draw(3000).data)
    with pytest.raises(HoldoutChangedError, match=rf"1 images of the holdout v2 were replaced .*{key}"):
        judged.execute(context)


def test_an_image_replaced_after_its_review_is_not_learned(ready: Any, context: dict[str, Any]) -> None:
    """Its boxes are those of the image that was there before, and the new one may be of the holdout."""
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    reviewed = ready.lines(ready.layout.reviewed_manifest(NIGHT))
    for line in reviewed:
        key = ready.layout.key_of(line["source-ref"])
        line |= {"etag": etag(ready, key), "sha256": hashlib.sha256(ready.get(key)).hexdigest()}
    ready.put(ready.layout.reviewed_manifest(NIGHT), jsonl.encode(reviewed))
    taken = f"{ready.layout.images(NIGHT)}/shape3003.jpg"
    held_out = ready.lines(ready.layout.holdout_manifest("v1"))[0]["source-ref"]
    ready.put(taken, ready.get(ready.layout.key_of(held_out)))
    # Uploaded again it is the same image, under another ETag.
    again = f"{ready.layout.images(NIGHT)}/shape3004.jpg"
    put_in_parts(ready, again, ready.get(again))
    trained = ready.train(control_arm=True).execute(context)
    card = ready.read(ready.layout.card(trained["model"]))
    learned = [
        line["source-ref"]
        for channel in ("train_manifest", "validation_manifest")
        for line in ready.lines(ready.layout.key_of(card["data"][channel]))
    ]
    assert ready.layout.uri(taken) not in learned
    assert ready.layout.uri(again) in learned
    # Where more than a few were replaced something else is wrong.
    for seed in range(3004, 3012):
        ready.put(f"{ready.layout.images(NIGHT)}/shape{seed}.jpg", draw(seed + 500).data)
    with pytest.raises(TrainingDataError, match=r"9 of \d+ images to train on were replaced after they"):
        ready.train(control_arm=True).execute(context_of("another run"))


def test_a_holdout_line_that_cannot_judge_still_keeps_its_image_from_training(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    key = ready.layout.holdout_manifest("v1")
    one = ready.lines(ready.layout.reviewed_manifest(NIGHT))[0]
    one["bounding-box"]["annotations"] = []
    ready.put(key, ready.get(key) + jsonl.encode([one]))
    card = ready.read(ready.layout.card(ready.train().execute(context)["model"]))
    learned = {
        line["source-ref"]
        for channel in ("train_manifest", "validation_manifest")
        for line in ready.lines(ready.layout.key_of(card["data"][channel]))
    }
    assert one["source-ref"] not in learned


def test_packing_again_does_not_change_what_the_first_model_has_learned(
    project: Any, context: dict[str, Any]
) -> None:
    layout, voc = project.layout, project.layout.bootstrap_voc()
    project.upload_voc(voc, range(45))
    project.pack().execute(context)
    model = project.bootstrap(image_uri=STUB_IMAGE).execute(context)["model"]
    learned = trained_images(ObjectStore(project.bucket), layout, model)
    assert len(learned.contents) == len(learned.addresses) == 45
    # Some of the images become a holdout, and the bootstrap is packed without them.
    for seed in range(10):
        for key in (f"{voc}/JPEGImages/shape{seed:04d}.jpg", f"{voc}/Annotations/shape{seed:04d}.xml"):
            project.s3.delete_object(Bucket=project.bucket, Key=key)
    upload_copies(project, f"{layout.holdout('v1')}/voc/clean", range(10))
    project.pack().execute(context)
    assert trained_images(ObjectStore(project.bucket), layout, model) == learned
    assert set(contents(project.lines(layout.holdout_manifest("v1")))) <= learned.contents


def test_an_image_that_came_twice_is_learned_once_with_its_latest_answer(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    # The next night some of the same pictures arrive again under other names.
    folder = ready.layout.images("2026-11-21")
    upload_copies(ready, folder, range(3004, 3020), annotated=False)
    ready.answer_night(range(3004, 3020), "2026-11-20")
    again = ready.lines(ready.layout.reviewed_manifest(NIGHT))
    for line in again:
        seed = line["source-ref"][-8:-4]
        line["source-ref"] = ready.layout.uri(f"{folder}/copy{seed}.jpg")
    ready.put(ready.layout.reviewed_manifest("2026-11-21"), jsonl.encode(again))
    ready.answer_night(range(3000, 3012))

    trained = ready.train(control_arm=True).execute(context)

    channels = {
        channel: ready.lines(ready.layout.training_manifest(trained["model"], channel))
        for channel in ("train", "validation")
    }
    known = contents([*channels["train"], *channels["validation"]])
    assert len(known) == len(set(known))
    learned = {line["source-ref"] for lines in channels.values() for line in lines}
    assert {ready.layout.uri(f"{folder}/copy{seed}.jpg") for seed in range(3004, 3020)} <= learned
    validation = ready.lines(ready.layout.training_manifest(trained["control"]["model"], "validation"))
    assert validation == channels["validation"]


def test_a_copy_of_what_validates_is_not_trained_on(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    validating = ready.lines(ready.layout.bootstrap_manifest("validation"))
    lines = ready.lines(ready.layout.reviewed_manifest(NIGHT))
    for number, (line, copied) in enumerate(zip(lines[:4], validating, strict=False)):
        key = f"{ready.layout.images(NIGHT)}/copy{number}.jpg"
        put_in_parts(ready, key, ready.get(ready.layout.key_of(copied["source-ref"])))
        line["source-ref"] = ready.layout.uri(key)
    ready.put(ready.layout.reviewed_manifest(NIGHT), jsonl.encode(lines))
    trained = ready.train(validation_share=0).execute(context)
    assert trained["new"] == 8
    train = ready.lines(ready.layout.training_manifest(trained["model"], "train"))
    assert not set(contents(train)) & set(contents(validating))


def test_copies_in_a_voc_folder_count_once_and_never_on_both_sides(
    project: Any, context: dict[str, Any]
) -> None:
    layout, voc = project.layout, project.layout.bootstrap_voc()
    project.upload_voc(voc, range(24))
    upload_copies(project, voc, range(8))
    project.upload_voc(f"{layout.holdout('v1')}/voc/clean", range(100, 104))
    upload_copies(project, f"{layout.holdout('v1')}/voc/dusk", range(100, 102))
    upload_copies(project, f"{layout.holdout('v1')}/voc/dusk", range(20, 24))

    packed = project.pack().execute(context)

    assert packed["holdout"] == 8
    assert packed["train"] + packed["validation"] == 20
    assert packed["train"] + packed["validation"] + packed["rejected"] == 32
    rejected = project.lines(layout.bootstrap_rejected())
    codes = [line["code"] for line in rejected]
    assert (codes.count("copy"), codes.count("in-holdout")) == (8, 4)
    copy = next(line for line in rejected if line["code"] == "copy")
    assert "has the same content as s3://" in copy["reason"]
    (one, other) = project.lines(f"{layout.holdout('v1')}/rejected.jsonl")
    assert one["code"] == other["code"] == "copy"
    manifests = [layout.bootstrap_manifest("train"), layout.bootstrap_manifest("validation")]
    known = [c for key in (*manifests, layout.holdout_manifest("v1")) for c in contents(project.lines(key))]
    assert len(set(known)) == len(known) == 28


def first_job(project: Any) -> str:
    """Train the first model, and return its id: the name of the job."""
    return str(project.bootstrap(image_uri=STUB_IMAGE).execute(context_of(uuid4().hex))["model"])


def test_the_first_training_is_named_by_what_the_packed_files_hold(
    project: Any, context: dict[str, Any]
) -> None:
    project.upload_voc(project.layout.bootstrap_voc(), range(45))
    project.pack().execute(context)
    key = project.layout.bootstrap_recordio("train")
    packed = project.get(key)
    head = project.s3.head_object(Bucket=project.bucket, Key=key)
    assert head["Metadata"][SHA256] == hashlib.sha256(packed).hexdigest()
    name = first_job(project)
    # Packed again into an encrypted bucket, or uploaded by hand: another ETag, the same training.
    put_in_parts(project, key, packed)
    assert etag(project, key) != head["ETag"].strip('"')
    assert first_job(project) == name
    project.put(key, packed + packed)
    assert first_job(project) != name


def test_the_same_answers_give_the_same_job_though_the_images_were_uploaded_again(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    names = []
    for version in ("first", "second"):
        lines = ready.lines(ready.layout.reviewed_manifest(NIGHT))
        for line in lines:
            data = ready.get(ready.layout.key_of(line["source-ref"]))
            line |= {"etag": version, "sha256": hashlib.sha256(data).hexdigest()}
        ready.put(ready.layout.reviewed_manifest(NIGHT), jsonl.encode(lines))
        trained = ready.train(control_arm=True).execute(context_of(version))
        names.append([trained["model"], trained["control"]["model"]])
    assert names[0] == names[1]
