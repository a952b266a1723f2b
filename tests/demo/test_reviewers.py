"""Simulated reviewers err as people do, and err the same way each time."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.demo.http_json import JsonClient
from include.demo.reviewers import CROWD, TRAINED, Reviewer, ReviewRoom, Skill, answer_boxes
from include.demo.sessions import Sessions

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["RBC", "WBC"]
SIZE = (640, 480)
TRUTH = [{"label": "RBC", "left": 40 * i, "top": 30 * i, "width": 30, "height": 25} for i in range(15)]


def answers(skill, images=400):
    return [
        answer_boxes(TRUTH, labels=LABELS, size_px=SIZE, skill=skill, key=(0, i, 0)) for i in range(images)
    ]


def true_boxes(boxes):
    """Those that overlap a true box by half, as the published figures count."""

    def overlap(a, b):
        width = min(a["left"] + a["width"], b["left"] + b["width"]) - max(a["left"], b["left"])
        height = min(a["top"] + a["height"], b["top"] + b["height"]) - max(a["top"], b["top"])
        shared = max(width, 0) * max(height, 0)
        return shared / (a["width"] * a["height"] + b["width"] * b["height"] - shared)

    return sum(any(overlap(box, truth) >= 0.5 for truth in TRUTH) for box in boxes)


def test_recall_and_precision_are_what_the_skill_says():
    for skill in (CROWD, TRAINED):
        drawn = answers(skill)
        found, total = sum(map(true_boxes, drawn)), sum(map(len, drawn))
        assert abs(found / (400 * len(TRUTH)) - skill.recall) < 0.02
        assert abs(found / total - skill.precision) < 0.02


def test_a_perfect_reviewer_returns_the_truth():
    perfect = Skill(recall=1, precision=1, noise_px=0, think_seconds=0)
    assert answer_boxes(TRUTH, labels=LABELS, size_px=SIZE, skill=perfect, key=()) == TRUTH


def test_the_same_key_gives_the_same_answer_and_another_opinion_differs():
    first, again, second = (
        answer_boxes(TRUTH, labels=LABELS, size_px=SIZE, skill=CROWD, key=(5, "s3://b/a.jpg", opinion))
        for opinion in (0, 0, 1)
    )
    assert first == again
    assert first != second


def test_nothing_to_see_is_answered_with_no_box():
    assert answer_boxes([], labels=LABELS, size_px=SIZE, skill=TRAINED, key=(1,)) == []


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(0, 399),
    st.integers(0, 399),
    st.floats(0, 200),
    st.integers(),
)
def test_no_box_leaves_the_image_or_has_no_area(width, height, left, top, noise, seed):
    skill = Skill(recall=1, precision=0.5, noise_px=noise, think_seconds=0)
    truth = [
        {"label": "RBC", "left": min(left, width - 1), "top": min(top, height - 1), "width": 1, "height": 1}
    ]
    for box in answer_boxes(truth, labels=LABELS, size_px=(width, height), skill=skill, key=(seed,)):
        assert 0 <= box["left"] < box["left"] + box["width"] <= width
        assert 0 <= box["top"] < box["top"] + box["height"] <= height


@pytest.fixture
def flow(aws_clients, bucket, desk_team_arn, role_arn):
    """A flow definition for the night team, with the project's own worker template; its ARN."""
    sagemaker = aws_clients("sagemaker", desk=True)
    name = f"demo-{uuid.uuid4().hex[:8]}"
    template = (ROOT / "plugins/secondlook/worker_template/bounding_box.liquid.html").read_text()
    page = sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": template})
    return sagemaker.create_flow_definition(
        FlowDefinitionName=name,
        RoleArn=role_arn,
        HumanLoopConfig={
            "WorkteamArn": desk_team_arn,
            "HumanTaskUiArn": page["HumanTaskUiArn"],
            "TaskTitle": "Correct the boxes",
            "TaskDescription": "One box for each cell.",
            "TaskCount": 1,
        },
        OutputConfig={"S3OutputPath": f"s3://{bucket}/reviews/a2i"},
    )["FlowDefinitionArn"]


def start_loop(client, flow, image):
    content = {
        "taskObject": image,
        "labels": LABELS,
        "initialValue": [],
        "imageWidth": SIZE[0],
        "imageHeight": SIZE[1],
        "night": "2026-03-02",
    }
    name = f"loop-{uuid.uuid4().hex[:12]}"
    client.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": json.dumps(content)}
    )
    return name


def test_reviewers_take_turns_and_their_answers_arrive_in_s3(
    aws_clients, bucket, flow, desk_server, desk_workers, wait_until
):
    images = [f"s3://{bucket}/images/{number}.jpg" for number in range(4)]
    unseen = f"s3://{bucket}/images/nobody-can-see-this.jpg"
    for image in images:
        aws_clients("s3").put_object(Bucket=bucket, Key=image.removeprefix(f"s3://{bucket}/"), Body=b"pixels")
    client = aws_clients("sagemaker-a2i-runtime")
    loops = {image: start_loop(client, flow, image) for image in [*images[:2], unseen, *images[2:]]}
    reviewers = [
        Reviewer(name, password, TRAINED, JsonClient(desk_server))
        for name, password in sorted(desk_workers.items())
    ]
    room = ReviewRoom(reviewers, dict.fromkeys(images, TRUTH), seed=3)
    while room.work_once():
        pass
    assert room.tally == {"2026-03-02": 4}

    def described(image):
        found = client.describe_human_loop(HumanLoopName=loops[image])
        return found if found["HumanLoopStatus"] == "Completed" else None

    for image in images:
        output = wait_until(lambda image=image: described(image))["HumanLoopOutput"]["OutputS3Uri"]
        key = output.removeprefix(f"s3://{bucket}/")
        answer = json.loads(aws_clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read())[
            "humanAnswers"
        ][0]
        boxes = answer["answerContent"]["annotatedResult"]["boundingBoxes"]
        assert boxes == answer_boxes(TRUTH, labels=LABELS, size_px=SIZE, skill=TRAINED, key=(3, image, 0))
    assert client.describe_human_loop(HumanLoopName=loops[unseen])["HumanLoopStatus"] == "InProgress"


def test_what_a_killed_reviewer_held_goes_to_the_next_start(
    tmp_path, aws_clients, bucket, flow, desk_server, desk_workers
):
    image = f"s3://{bucket}/images/held.jpg"
    aws_clients("s3").put_object(Bucket=bucket, Key="images/held.jpg", Body=b"pixels")
    start_loop(aws_clients("sagemaker-a2i-runtime"), flow, image)
    sessions = Sessions(tmp_path / "sessions.json")

    def team(kept):
        people = sorted(desk_workers.items())
        return [Reviewer(*person, TRAINED, JsonClient(desk_server), kept) for person in people]

    def taken(reviewers):
        for reviewer in reviewers:
            while task := reviewer.next_task():
                if task["input"]["taskObject"] == image:
                    return True
                reviewer.decline(task["task"], "another test's")
        return False

    assert taken(team(sessions))
    assert sessions.file.stat().st_mode & 0o777 == 0o600
    # Killed here, without a word: its image waits for nobody else, nor for its next session.
    assert not taken(team(None))
    Sessions(sessions.file).give_back(desk_server)
    assert not sessions.file.exists()
    assert taken(team(None))
    # A start without an earlier one has nothing to give back.
    Sessions(sessions.file).give_back(desk_server)
