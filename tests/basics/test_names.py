"""Names of AWS resources: deterministic, and accepted by the service's own model."""

from __future__ import annotations

import re

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import names
from secondlook.failures.exceptions import ResourceNameError

SESSION = botocore.session.get_session()
SAGEMAKER = SESSION.get_service_model("sagemaker")
A2I = SESSION.get_service_model("sagemaker-a2i-runtime")


def accepted(shape, name: str) -> bool:
    limits = shape.metadata
    return len(name) <= limits["max"] and re.fullmatch(limits["pattern"], name) is not None


text = st.text(max_size=40)


@given(text, text, text, st.integers(1, 99))
def test_every_human_loop_name_is_one_that_a2i_accepts(flow, image, sha256, review_round):
    name = names.human_loop_name(flow, image, sha256, review_round)
    assert accepted(A2I.shape_for("HumanLoopName"), name)
    assert name == names.human_loop_name(flow, image, sha256, review_round)
    assert name != names.human_loop_name(flow, image, sha256, review_round + 1)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (names.training_job_name, "TrainingJobName"),
        (names.model_resource_name, "ModelName"),
        (names.endpoint_config_name, "EndpointConfigName"),
        (names.transform_job_name, "TransformJobName"),
        (names.human_task_ui_name, "HumanTaskUiName"),
    ],
)
@given(prefix=st.text(alphabet="aZ09-_. é\n", max_size=70), part=text)
def test_a_name_is_accepted_by_the_service_or_refused_here(make, shape, prefix, part):
    try:
        name = make(prefix, part)
    except ResourceNameError:
        return
    assert accepted(SAGEMAKER.shape_for(shape), name)


def test_refused_names_say_what_to_do():
    with pytest.raises(ResourceNameError, match="shorten its prefix"):
        names.training_job_name("n" * 60, "input")
    with pytest.raises(ResourceNameError, match="lower-case letters, digits and inner hyphens; change its"):
        names.human_task_ui_name("Second_Look", "template")


def test_ordinary_prefixes_are_fine():
    assert names.training_job_name("second-look-2026-11-22", "a", "b").startswith("second-look-2026-11-22-")


@given(st.lists(text, min_size=1, max_size=4), st.lists(text, min_size=1, max_size=4))
def test_digest_tells_where_one_part_ends(first, second):
    assert (names.digest(*first, length=64) == names.digest(*second, length=64)) == (first == second)


def test_review_rounds_count_from_one():
    with pytest.raises(ResourceNameError, match="rounds count from 1"):
        names.human_loop_name("flow", "s3://b/a.jpg", "e", 0)
    with pytest.raises(ResourceNameError, match="1 to 64 digits"):
        names.digest("a", length=0)
