"""Scoring by batch transform: the same parts as by endpoint, whatever changes and whoever dies."""

from __future__ import annotations

import hashlib
import io
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from PIL import Image

from secondlook import jsonl
from secondlook.operators.scored import NothingScoredError
from secondlook.records.predictions import NoImagesError, ScoringContradictionError
from secondlook.records.transform_inputs import NightChangedError
from secondlook.review import LedgerLine
from secondlook.runtime.arguments import ArgumentError
from tests.operators.archive import JPEG, NIGHT, parts, put_stub_night, quarantined


def test_a_transform_and_an_endpoint_write_the_same_but_for_what_only_who_reads_can_tell(
    ready: Any, context: dict[str, Any]
) -> None:
    layout, folder = ready.layout, ready.layout.images(NIGHT)
    ready.upload_night(range(5000, 5012))
    good = ready.get(f"{folder}/shape5000.jpg")
    buffer = io.BytesIO()
    Image.open(io.BytesIO(good)).convert("L").save(buffer, "PNG")
    ready.put(f"{folder}/a-grey.png", buffer.getvalue())
    ready.put(f"{folder}/c-cut.jpg", good[: len(good) // 3])
    ready.put(f"{folder}/d-text.jpg", b"Dear nurse, please find attached the pictures.")
    ready.put(f"{folder}/e-empty.jpg", b"")
    ready.put(f"{folder}/f-large.jpg", good + bytes(6 * 1024 * 1024))
    ready.put(f"{folder}/g-odd name %20+ü.jpg", good)
    ready.put(f"{folder}/slide 7/g.jpg", good)
    shards = ready.plan(shard_size=8, part_size=4).execute(context)
    assert context["ti"].xcoms["scoring"] == "endpoint"
    assert len(shards) == 3

    model = ready.deploy().execute(context)["model"]
    for shard in shards:
        ready.score(model, shard=shard, part_size=4).execute(context)
    by_endpoint = ready.scored(model, shards=shards, part_size=4).execute(context)
    parts_by_endpoint, refused_by_endpoint = parts(ready, model), quarantined(ready, model)
    for key in ready.keys(layout.predictions(NIGHT, model)):
        ready.s3.delete_object(Bucket=ready.bucket, Key=key)

    invoked, jobs = ready.calls("InvokeEndpoint"), ready.calls("CreateTransformJob")
    archived = ready.score_archive(shards=shards, part_size=4).execute(context)
    assert archived == {"model": model, "images": 19, "scored": 15, "quarantined": 4}
    by_transform = ready.scored(model, shards=shards, part_size=4).execute(context)

    assert by_transform == by_endpoint
    archived_parts = parts(ready, model)
    lines = {key: jsonl.decode(data) for key, data in parts_by_endpoint.items()}
    # A batch transform does not send the images through here, so their content is not known.
    unread = {key: [line | {"sha256": None} for line in part] for key, part in lines.items()}
    assert archived_parts == {key: jsonl.encode_gzip(part) for key, part in unread.items()}
    for line in (line for part in lines.values() for line in part):
        assert line["sha256"] == hashlib.sha256(ready.get(layout.key_of(line["image"]))).hexdigest()
    assert len(archived_parts) == 5
    refused = quarantined(ready, model)
    assert {name: bool(line["sha256"]) for name, line in refused_by_endpoint.items()} == {
        "c-cut.jpg": True,
        "d-text.jpg": True,
        "e-empty.jpg": False,
        "f-large.jpg": False,
    }
    assert refused_by_endpoint["d-text.jpg"].pop("sha256") != refused["d-text.jpg"].pop("sha256")
    cut, cut_by_endpoint = refused.pop("c-cut.jpg"), refused_by_endpoint.pop("c-cut.jpg")
    assert refused == refused_by_endpoint
    assert set(refused) == {"d-text.jpg", "e-empty.jpg", "f-large.jpg"}
    # The container's own words are in the job's log; the reason names the job.
    assert cut["code"] == cut_by_endpoint["code"] == "unreadable"
    assert "got no answer from the model in two batch transforms" in cut["reason"]
    assert ready.calls("InvokeEndpoint") == invoked
    assert ready.calls("CreateTransformJob") == jobs + 2

    # A clear: everything is there.
    assert ready.score_archive(shards=shards, part_size=4).execute(context) == archived
    assert ready.calls("CreateTransformJob") == jobs + 2
    assert parts(ready, model) == archived_parts


def test_a_night_with_reviews_keeps_the_model_that_they_were_selected_with(
    ready: Any, context: dict[str, Any]
) -> None:
    """Its ledger is followed whatever another model says: a second pass would pay for nothing."""
    bootstrap = ready.train_with_stub()
    put_stub_night(ready, a=b"fine", b=b"fine")
    card = ready.read(ready.layout.card(bootstrap))
    ready.put(ready.layout.card("stub"), json.dumps({**card, "model": "stub"}).encode())
    first = ready.score_archive().execute(context)
    ready.scored("stub").execute(context)
    jobs = ready.calls("CreateTransformJob")
    ready.serve_with_stub("better")
    # Without a ledger the champion scores.
    assert ready.score_archive().execute(context)["model"] == "better"
    assert ready.calls("CreateTransformJob") == jobs + 1
    ready.put(ready.layout.ledger(NIGHT), jsonl.encode([ledger_line(ready, "a.jpg", "stub")]))
    ready.serve_with_stub("best")
    assert ready.score_archive().execute(context) == first
    assert ready.calls("CreateTransformJob") == jobs + 1
    assert ready.score_archive(again=True).execute(context)["model"] == "best"
    assert ready.calls("CreateTransformJob") == jobs + 2
    # What is gone cannot be followed.
    ready.s3.delete_object(Bucket=ready.bucket, Key=ready.layout.predictions_summary(NIGHT, "stub"))
    assert ready.score_archive().execute(context)["model"] == "best"


def ledger_line(project: Any, name: str, model: str) -> dict[str, Any]:
    """The ledger's line of an image that people are asked about."""
    return LedgerLine(
        image=project.layout.uri(f"{project.layout.images(NIGHT)}/{name}"),
        etag="0" * 32,
        sha256="0" * 64,
        width=64,
        height=64,
        depth=3,
        model=model,
        policy="uncertainty_sum",
        reason="policy",
        rank=1,
        priority=0.5,
        round=1,
        loop="second-look-1",
        predrawn=(),
        input_sha256="0" * 64,
    ).to_record()


def test_a_folder_of_images_may_be_called_like_the_nights(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, b=b"fine", c=b"status 400 ")
    for folder in (NIGHT, f"images/{NIGHT}", f"{NIGHT}/{NIGHT}"):
        project.put(f"{project.layout.images(NIGHT)}/{folder}/b.jpg", JPEG + b"fine")
    archived = project.score_archive().execute(context)
    assert archived["images"] == 5
    project.scored("stub").execute(context)
    lines = project.lines(project.layout.quarantine(NIGHT, "stub"))
    assert [line["image"].rsplit("/", 1)[1] for line in lines] == ["c.jpg"]


def test_a_try_that_dies_while_it_waits_is_followed_by_one_that_attaches(
    project: Any, context: dict[str, Any]
) -> None:
    put_stub_night(project, **{f"i{number:02d}": b"fine" for number in range(12)})
    jobs = project.calls("CreateTransformJob")
    operator = project.score_archive()

    def die() -> float:
        raise KeyboardInterrupt

    # It looks at the clock when it begins to wait.
    operator.clock = die
    with pytest.raises(KeyboardInterrupt):
        operator.execute(context)
    # There is another champion meanwhile: the job that runs is paid for, and is waited for.
    running = project.get(project.layout.champion())
    project.put(project.layout.champion(), running.replace(b'"stub"', b'"other"'))
    assert project.score_archive().execute(context)["model"] in {"stub", "other"}
    # A second run of the same night.
    project.put(project.layout.champion(), running)
    assert project.score_archive().execute({**context, "task_state_store": None})["model"] == "stub"
    assert project.calls("CreateTransformJob") <= jobs + 3


def test_images_that_change_during_the_transform_are_transformed_again(
    project: Any, context: dict[str, Any]
) -> None:
    put_stub_night(project, a=b"fine", b=b"fine")
    operator = project.score_archive()

    def replace_meanwhile() -> float:
        put_stub_night(project, b=b"another picture")
        return time.time()

    operator.clock = replace_meanwhile
    with pytest.raises(NightChangedError, match="have changed since their batch transform began"):
        operator.execute(context)
    assert parts(project, "stub") == {}
    assert project.score_archive().execute(context)["images"] == 2
    assert project.scored("stub").execute(context)["images"] == 2


def test_a_night_without_images_and_a_run_by_endpoint(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    with pytest.raises(NoImagesError, match="clear this task"):
        project.score_archive().execute(context)
    with pytest.raises(NoImagesError, match="clear this task"):
        project.plan().execute(context)
    with pytest.raises(AirflowSkipException, match="No images at s3://"):
        project.plan().execute({**context, "dag_run": SimpleNamespace(run_type="backfill")})
    with pytest.raises(AirflowSkipException, match="scored by the endpoint"):
        project.score_archive(skip="This run is scored by the endpoint.").execute(context)
    with pytest.raises(ArgumentError, match="max_concurrent_transforms = 17"):
        project.score_archive(max_concurrent_transforms=17)


def test_a_night_of_text_files_needs_no_job_and_is_not_green(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    project.put(f"{project.layout.images(NIGHT)}/readme.txt", b"nothing to see here")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive().execute(context)
    assert archived == {"model": "stub", "images": 1, "scored": 0, "quarantined": 1}
    assert project.calls("CreateTransformJob") == jobs
    with pytest.raises(NothingScoredError, match=r"None of the 1 files of .*quarantine\.jsonl has the"):
        project.scored("stub").execute(context)
    # An archive may have such a night among others.
    with pytest.raises(AirflowSkipException, match="None of the 1 files"):
        project.scored("stub").execute({**context, "dag_run": SimpleNamespace(run_type="backfill")})


@pytest.mark.parametrize(
    ("run_type", "scoring", "way"),
    [
        ("scheduled", "auto", "endpoint"),
        ("manual", "auto", "endpoint"),
        ("backfill", "auto", "transform"),
        ("backfill", "endpoint", "transform"),
        ("manual", "transform", "transform"),
    ],
)
def test_the_plan_chooses_how_a_night_is_scored(
    project: Any, context: dict[str, Any], run_type: str, scoring: str, way: str
) -> None:
    project.put(f"{project.layout.images(NIGHT)}/a.jpg", JPEG)
    context["dag_run"].run_type = run_type
    (shard,) = project.plan(scoring=scoring).execute(context)
    assert shard == {"shard": 0, "after": None, "until": None, "first_part": 0, "parts": 1}
    assert context["ti"].xcoms == {"scoring": way}
    with pytest.raises(ArgumentError, match="serving cannot be used: scoring = 'sometimes'"):
        project.plan(scoring="sometimes")


def test_airflow_never_gets_more_shards_than_it_maps_over(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        project.put(f"{project.layout.images(NIGHT)}/{number:02d}.jpg", JPEG)
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    shards = project.plan(shard_size=2, part_size=2).execute(context)
    assert [(shard["first_part"], shard["parts"]) for shard in shards] == [(0, 4), (4, 4), (8, 2)]


def test_a_task_that_is_told_to_skip_deploys_nothing(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    with pytest.raises(AirflowSkipException, match="There is nothing to deploy"):
        project.deploy(skip="There is nothing to deploy.").execute(context)
    with pytest.raises(project.sagemaker.exceptions.ClientError, match="Could not find endpoint"):
        project.sagemaker.describe_endpoint(EndpointName=project.endpoint)


def test_the_join_names_the_image_that_contradicts(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"fine", b=b"fine", c=b"status 400 ", d=b"fine")
    folder, place = project.layout.images(NIGHT), project.layout.predictions(NIGHT, "stub")
    shards = project.plan(shard_size=2, part_size=2).execute(context)
    assert len(shards) == 2

    def contradiction(name: str, what: str) -> None:
        join = project.scored("stub", shards=shards, part_size=2)
        with pytest.raises(ScoringContradictionError, match=f"{name}.jpg {what} .*clear the task"):
            join.execute(context)

    contradiction("a", "is in no part")
    project.score_archive(shards=shards, part_size=2).execute(context)
    assert project.scored("stub", shards=shards, part_size=2).execute(context)["images"] == 4

    project.put(f"{folder}/bb.jpg", JPEG + b"late")
    contradiction("bb", "is missing")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/bb.jpg")
    project.put(f"{folder}/b.jpg", JPEG + b"another")
    contradiction("b", "is there in another version")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/b.jpg")
    contradiction("b", "does not belong")
    refused = project.get(f"{place}/quarantine/part-00001.jsonl")
    project.put(f"{place}/quarantine/part-00001.jsonl", refused + refused)
    put_stub_night(project, b=b"fine")
    contradiction("c", "is there twice")

    # A night that has shrunk leaves no stale part behind.
    for name in ("c", "d"):
        project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/{name}.jpg")
    assert project.scored("stub", shards=shards, part_size=2).execute(context)["images"] == 2
    assert list(parts(project, "stub")) == [f"{place}/part-00000.jsonl.gz"]
    assert project.keys(f"{place}/quarantine/") == [f"{place}/quarantine/part-00000.jsonl"]
