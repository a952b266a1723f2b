"""What fails at once and what is tried again, from the operators' own failures against real servers."""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator, RetryAction, RetryDecision
from botocore.config import Config

from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.hooks.sagemaker_jobs import SageMakerJobs
from secondlook.jobs.failure import JobFailedError, job_failed
from secondlook.jobs.shared import SharedJobs, new_visit
from tests.operators.test_deploy import damaged, of_stub
from tests.support.airflow import TaskInstance

CONNECTION = "AIRFLOW_CONN_AWS_DEFAULT"


def failure(run: Callable[..., Any], *arguments: Any) -> Exception:
    """What ``run`` raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        run(*arguments)
    return raised.value


def decide(operator: BaseOperator, error: Exception, try_number: int = 1) -> RetryDecision:
    """What the operator's policy says, as Airflow's task runner asks it."""
    return operator.retry_policy.evaluate(
        exception=error, try_number=try_number, max_tries=operator.retries, context={"task": operator}
    )


@pytest.fixture
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt a call, or botocore itself would wait most of it out."""
    monkeypatch.setattr("secondlook.hooks.clients.CLIENT_CONFIG", Config(retries={"total_max_attempts": 1}))


def test_a_missing_bucket_fails_at_once(project: Any, context: dict[str, Any]) -> None:
    operator = project.deploy(bucket="second-look-nobody-made-it", retries=3)
    decision = decide(operator, failure(operator.execute, context))
    assert decision.action is RetryAction.FAIL
    assert decision.reason == (
        "The bucket second-look-nobody-made-it does not exist as seen by the connection aws_default: "
        "create it, or correct the setting bucket."
    )


def test_a_wrong_role_fails_at_once(
    project: Any,
    context: dict[str, Any],
    start_sagemaker: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = start_sagemaker(tmp_path, "--role-arn", project.role_arn)
    monkeypatch.setenv(
        CONNECTION, os.environ[CONNECTION].replace(project.sagemaker.meta.endpoint_url, strict.url)
    )
    wrong = "arn:aws:iam::111122223333:role/somebody-elses"
    operator = project.deploy(**of_stub(project, "one"), execution_role_arn=wrong, retries=3)
    decision = decide(operator, failure(operator.execute, context))
    assert decision.action is RetryAction.FAIL
    assert "check the setting execution_role_arn" in decision.reason


def test_wrong_keys_fail_at_once(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, aws_credentials: Any
) -> None:
    wrong = os.environ[CONNECTION].replace(aws_credentials.access_key_id, "AKIANOBODY")
    monkeypatch.setenv(CONNECTION, wrong)
    operator = project.evaluate("anything", retries=3)
    error = failure(operator.sagemaker.job, "training", "anything")
    decision = decide(operator, error)
    assert decision.action is RetryAction.FAIL
    assert "correct key, secret and region of the Airflow connection" in decision.reason


def test_an_endpoint_that_does_not_exist_fails_at_once(project: Any, context: dict[str, Any]) -> None:
    project.put(f"{project.layout.images('2026-11-20')}/a.jpg", b"\xff\xd8\xff picture")
    operator = project.score("m", retries=3)
    decision = decide(operator, failure(operator.execute, context))
    assert decision.action is RetryAction.FAIL
    assert f"The endpoint {project.endpoint} does not exist: clear `deploy`" in decision.reason


def test_a_model_that_does_not_load_is_not_deployed_again_and_again(
    project: Any, context: dict[str, Any]
) -> None:
    operator = project.deploy(**damaged(project), retries=3)
    decision = decide(operator, failure(operator.execute, context))
    assert decision.action is RetryAction.FAIL
    assert f"The endpoint {project.endpoint} is Failed after the deployment" in decision.reason


def test_a_training_that_fails_by_its_data_is_paid_for_once(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub(exit_code="1", failure="ClientError: the loss became NaN")
    ready.answer_night(range(3000, 3012))
    operator = ready.train(retries=3)
    decision = decide(operator, failure(operator.execute, context))
    assert decision.action is RetryAction.FAIL
    assert "the loss became NaN" in decision.reason
    assert "correct the cause and clear this task" in decision.reason


INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
PIPE = "Platform Error: SageMaker pipe channel timed out."


@pytest.mark.parametrize(
    ("reason", "logged", "ran_seconds", "jobs"),
    [
        (INTERNAL, "epoch 1", 4000.0, 2),
        (INTERNAL, PIPE, 4000.0, 1),
        (f"{INTERNAL} - {PIPE}", "epoch 1", 4000.0, 1),
        (INTERNAL, "epoch 1", 20.0, 4),
    ],
)
def test_a_training_that_dies_of_unreadable_data_is_paid_for_twice_at_most(
    ready: Any,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    logged: str,
    ran_seconds: float,
    jobs: int,
) -> None:
    ready.train_with_stub(exit_code="1", print=logged)
    ready.answer_night(range(3000, 3012))
    describe = SageMakerJobs.job

    def as_sagemaker_says_it(self: SageMakerJobs, kind: Any, name: str) -> Any:
        job = describe(self, kind, name)
        failed = job is not None and job.status == "Failed"
        return replace(job, failure_reason=reason, ran_seconds=ran_seconds) if failed else job

    monkeypatch.setattr(SageMakerJobs, "job", as_sagemaker_says_it)
    before, operator = ready.calls("CreateTrainingJob"), ready.train(retries=3)
    for try_number in range(1, 5):
        decision = decide(operator, failure(operator.execute, context), try_number)
        if decision.action is RetryAction.FAIL:
            break
    assert ready.calls("CreateTrainingJob") - before == jobs
    assert ("an image that cannot be read" in decision.reason) is (jobs == 1)


def test_a_training_that_found_no_machine_is_tried_again_after_a_long_time(project: Any) -> None:
    operator = project.bootstrap(retries=3, retry_delay=timedelta(minutes=1))
    job = operator_job(operator, "Failed", "CapacityError: Unable to provision requested ML compute capacity")
    decision = decide(operator, job)
    assert decision.action is RetryAction.RETRY
    assert "the next try starts another" in decision.reason
    stopped = operator_job(operator, "Stopped", "CapacityError: somebody stopped it all the same")
    assert decide(operator, stopped).action is RetryAction.FAIL


def operator_job(operator: Any, status: str, reason: str) -> JobFailedError:
    """What the operator raises about a job that SageMaker reports like this."""
    from secondlook.hooks.sagemaker_jobs import JobState

    place = (operator.store, operator.layout, operator.sagemaker, operator.log)
    shared = SharedJobs(new_visit("training", TaskInstance()), *place)
    return job_failed(shared, JobState("second-look-job", status, reason))


def test_a_service_that_is_away_is_tried_again_later_and_later(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, one_call: None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    target = of_stub(project, "one")
    monkeypatch.setenv(CONNECTION, os.environ[CONNECTION].replace(project.sagemaker.meta.endpoint_url, away))
    operator = project.deploy(**target, retries=4, retry_delay=timedelta(minutes=1))
    error = failure(operator.execute, context)
    decisions = [decide(operator, error, number) for number in (1, 2, 3, 4)]
    assert {decision.action for decision in decisions} == {RetryAction.RETRY}
    for doubled, decision in enumerate(decisions):
        longest = 60 * 2**doubled
        assert longest / 2 <= decision.retry_delay.total_seconds() <= longest
        assert away in decision.reason
        assert "check the network" in decision.reason
    assert decide(operator, error, 5).reason.endswith("It was the last try.")


def test_after_a_clear_the_delays_begin_anew_and_never_pass_the_longest() -> None:
    operator = BaseOperator(
        task_id="t", retries=3, retry_delay=timedelta(minutes=20), max_retry_delay=timedelta(minutes=25)
    )
    policy = SecondLookRetryPolicy()
    # Cleared after its fourth try: Airflow adds the retries to the tries that there have been.
    first = policy.evaluate(TimeoutError(), 5, 7, {"task": operator})
    assert timedelta(minutes=10) <= first.retry_delay <= timedelta(minutes=20)
    third = policy.evaluate(TimeoutError(), 7, 7, {"task": operator})
    assert third.retry_delay <= timedelta(minutes=25)
    assert policy.evaluate(TimeoutError(), 1, 3).retry_delay <= timedelta(minutes=1)


def test_a_policy_of_the_dags_own_is_kept(project: Any) -> None:
    class Stubborn(SecondLookRetryPolicy):
        pass

    own = Stubborn()
    assert project.deploy(retry_policy=own).retry_policy is own
    assert project.deploy(default_args={"retry_policy": own}).retry_policy is own
    assert type(project.deploy().retry_policy) is SecondLookRetryPolicy
    assert isinstance(Stubborn.deserialize(own.serialize()), SecondLookRetryPolicy)


async def test_a_triggerer_waits_out_a_service_in_trouble_and_ends_on_a_refusal(
    project: Any, monkeypatch: pytest.MonkeyPatch, one_call: None, aws_credentials: Any
) -> None:
    from secondlook.triggers.jobs import JobsTrigger

    def trigger(seconds: float) -> JobsTrigger:
        deadline = datetime.datetime.now(datetime.UTC).timestamp() + seconds
        return JobsTrigger(
            names=["x"],
            shared={"kind": "training", "names": ["x"], "task": "a task", "visit": "1"},
            bucket=project.bucket,
            prefix=project.prefix,
            deadline=deadline,
            state={"job": "x"},
            poll_interval_seconds=0.05,
        )

    here = os.environ[CONNECTION]
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    monkeypatch.setenv(CONNECTION, here.replace(project.sagemaker.meta.endpoint_url, away))
    assert [event.payload["status"] async for event in trigger(1).run()] == ["timeout"]
    monkeypatch.setenv(CONNECTION, here.replace(aws_credentials.access_key_id, "AKIANOBODY"))
    (event,) = [event.payload async for event in trigger(60).run()]
    operator = project.bootstrap(retries=3)
    decision = decide(operator, failure(operator.execute_complete, {}, event))
    assert decision.action is RetryAction.FAIL
    assert decision.reason.startswith(
        "Waiting for the training job x in the triggerer failed: Cannot look up"
    )
    # A connection without a region: there is no client at all.
    monkeypatch.setenv(CONNECTION, '{"conn_type": "aws"}')
    (event,) = [event.payload async for event in trigger(60).run()]
    assert decide(operator, failure(operator.execute_complete, {}, event)).action is RetryAction.FAIL
    # A job that somebody has deleted is the operator's matter.
    monkeypatch.setenv(CONNECTION, here)
    assert [event.payload["status"] async for event in trigger(60).run()] == ["over"]
