"""
### One night

`plan` counts the images of `images/<night>/` and cuts them into shards. `deploy` makes sure that the endpoint
serves the champion and `score` runs it over every shard; a backfill run has `score_archive` instead, one
batch transform without an endpoint. `scored` checks that every image was scored or quarantined once. `launch`
asks people about the images where their time pays, `await_reviews` waits for them without holding a worker,
`manifest` turns their answers into training data. With enough of them `train` trains the next model from
the last one, `evaluate` compares both on a holdout that neither has seen, `decide` reads the verdict,
`approve` asks a person if the run wants that, `promote` moves the champion pointer and `deploy_champion`
updates the endpoint while it goes on answering.

**Night.** The date (UTC) at the start of the run's data interval, or the parameter `night`. A run that has
neither is about the last night that was over when it was asked for. A night that is not over is refused, as
images that come later would never be reviewed. Backfill works by data interval: `airflow backfill create
--dag-id nightly_detection --from-date ... --to-date ...`, without the parameter `night`.

**Scoring.** The parameter `scoring` chooses endpoint or batch transform; a backfill run is always scored by
transform. It deploys nothing, neither before scoring nor after a promotion: the next scheduled night's
`deploy` puts the champion into service. A night without images fails; in a backfill it is skipped.

**Runs side by side.** A run that waits for people counts as active, so `max_active_runs` is how many nights
may wait at once; a backfill has its own. What they do at the same time is bounded by three pools, created by
`airflow pools import include/settings/pools.json`: `secondlook_scoring` (endpoint calls and transform jobs),
`secondlook_launch` (new human loops) and `secondlook_training` (planning a training). One challenger at a
time is trained and judged, whatever the pools allow: the others wait, deferred, and then start from the
champion of that moment.

**What it may cost.** `launch` reserves its reviews in the month's budget before it asks anybody; what does
not fit is postponed to a later night. Ending or clearing `await_reviews` takes no question back.

**When something fails**, clear the failed task: every task finds what it has done before and goes on from
there. A night that ends after `manifest` with `train` skipped is a success: there were too few new answers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TriggerRule, task

from secondlook.dag_defaults import (
    LAUNCH_POOL,
    PLACE,
    SCORING_POOL,
    TAGS,
    TRAINING_POOL,
    macros,
    task_defaults,
)
from secondlook.operators.approve import PromotionApprovalOperator
from secondlook.operators.deploy import SageMakerDeployEndpointOperator
from secondlook.operators.evaluate import DetectorEvaluationOperator
from secondlook.operators.launch import HumanLoopStartOperator
from secondlook.operators.manifest import AugmentedManifestOperator
from secondlook.operators.plan import NightPlanOperator
from secondlook.operators.promote import ChampionPromoteOperator
from secondlook.operators.score import SageMakerScoreImagesOperator
from secondlook.operators.score_archive import ArchiveScoreOperator
from secondlook.operators.scored import ScoredNightOperator
from secondlook.operators.train import SageMakerIncrementalTrainingOperator
from secondlook.runtime.parameters import check_conf
from secondlook.sensors.human_loops import HumanLoopSensor

MAX_NIGHTS_AT_ONCE = 16

PARAMS: dict[str, Any] = {
    "night": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Night",
        description="YYYY-MM-DD. Empty: the last night that was over at the logical date, or when the run "
        "was asked for; nights end at 02:00 UTC. Not for a backfill: that takes its nights from its dates.",
        section="Night",
    ),
    "unfinished_night": Param(
        False,
        type="boolean",
        title="Run a night that is not over",
        description="Only if all of its images are there: those that come later are not reviewed.",
        section="Night",
    ),
    "scoring": Param(
        None,
        type=["null", "string"],
        enum=[None, "auto", "endpoint", "transform"],
        title="Scoring",
        description="By the endpoint or by batch transform; a backfill run is always scored by transform. "
        "Empty: from the settings.",
        section="Night",
    ),
    "score_again": Param(
        False,
        type="boolean",
        title="Score again",
        description="A batch transform leaves a night alone whose reviews were selected already. With this, "
        "or to choose again, the champion scores it once more.",
        section="Night",
    ),
    "review_policy": Param(
        None,
        type=["null", "string"],
        examples=["uncertainty_sum", "top_score", "random"],
        title="Review policy",
        description="Which images people see: a name, or one of own_policies in the settings "
        "(package.module:Class). Empty: from the settings.",
        section="Review",
    ),
    "policy_params": Param(
        None,
        type=["null", "object"],
        title="Parameters of the policy",
        description='For example {"threshold": 0.5} for top_score. Empty: from the settings, or the '
        "policy's own if the run names a policy.",
        section="Review",
    ),
    "review_limit": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        maximum=100000,
        title="Most images to ask about",
        description="For the whole night. Each image costs as many answers as the workflow has reviewers per "
        "image. 0: this run asks about none, a later one still can. Empty: from the settings.",
        section="Review",
    ),
    "audit_share": Param(
        None,
        type=["null", "number"],
        minimum=0,
        maximum=1,
        title="Audit share",
        description="Part of the reviews given to images chosen at random, 0 to 1. Empty: from the settings.",
        section="Review",
    ),
    "choose_again": Param(
        False,
        type="boolean",
        title="Choose again",
        description="For a night that has been launched before: choose with this run's policy, limit and "
        "audit share among the images that were not asked about yet. What was asked stays asked.",
        section="Review",
    ),
    "train": Param(
        True,
        type="boolean",
        title="Train",
        description="Train the next model if there are enough new answers.",
        section="Training",
    ),
    "control_arm": Param(
        None,
        type=["null", "boolean"],
        title="Control arm",
        description="Also train as many steps on old images only. Empty: from the settings.",
        section="Training",
    ),
    "require_approval": Param(
        None,
        type=["null", "boolean"],
        title="A person approves the promotion",
        description="A challenger that has won waits under Required Actions. Empty: from the settings.",
        section="Training",
    ),
}

NIGHT = "{{ night_of() }}"
REVIEW = (
    "{{ settings.review.override(policy=params.review_policy, policy_params=params.policy_params, "
    "limit=params.review_limit, audit_share=params.audit_share) }}"
)
SHARDS = "{{ ti.xcom_pull(task_ids='plan') }}"
DEPLOYMENT: dict[str, Any] = {
    "skip": "{% if dag_run.run_type == 'backfill' %}"
    "A backfill run deploys nothing: the next scheduled night puts the champion into service."
    "{% elif ti.xcom_pull(task_ids='plan', key='scoring') != 'endpoint' %}"
    "Images are scored by batch transform: there is nothing to deploy."
    "{% endif %}",
    "endpoint_name": "{{ settings.endpoint_name }}",
    "execution_role_arn": "{{ settings.execution_role_arn }}",
    "serving": "{{ settings.serving }}",
    "labels": "{{ settings.labels }}",
    "deferrable": True,
}

with DAG(
    dag_id="nightly_detection",
    description="Score a night's images, ask people where it pays, promote only what is better.",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=MAX_NIGHTS_AT_ONCE,
    render_template_as_native_obj=True,
    user_defined_macros=macros(),
    params=PARAMS,
    default_args=task_defaults(retries=3, execution_timeout=timedelta(hours=2)),
    tags=TAGS,
) as dag:
    plan = NightPlanOperator(
        task_id="plan",
        night=NIGHT,
        unfinished_night="{{ params.unfinished_night }}",
        serving="{{ settings.serving.override(scoring=params.scoring) }}",
        review=REVIEW,
        labels="{{ settings.labels }}",
        pre_execute=check_conf,
        **PLACE,
    )

    deploy = SageMakerDeployEndpointOperator(
        task_id="deploy",
        **DEPLOYMENT,
        **PLACE,
    )

    score = SageMakerScoreImagesOperator.partial(
        task_id="score",
        night=NIGHT,
        endpoint_name="{{ settings.endpoint_name }}",
        model="{{ ti.xcom_pull(task_ids='deploy')['model'] }}",
        endpoint_config="{{ ti.xcom_pull(task_ids='deploy')['endpoint_config'] }}",
        serving="{{ settings.serving }}",
        labels="{{ settings.labels }}",
        pool=SCORING_POOL,
        execution_timeout=timedelta(hours=12),
        **PLACE,
    ).expand(shard=plan.output)

    score_archive = ArchiveScoreOperator(
        task_id="score_archive",
        skip="{% if ti.xcom_pull(task_ids='plan', key='scoring') != 'transform' %}"
        "This run is scored by the endpoint."
        "{% endif %}",
        night=NIGHT,
        shards=SHARDS,
        again="{{ params.score_again or params.choose_again }}",
        archive="{{ settings.archive }}",
        serving="{{ settings.serving }}",
        labels="{{ settings.labels }}",
        execution_role_arn="{{ settings.execution_role_arn }}",
        pool=SCORING_POOL,
        deferrable=True,
        execution_timeout=timedelta(hours=12),
        **PLACE,
    )

    scored = ScoredNightOperator(
        task_id="scored",
        night=NIGHT,
        model="{{ (ti.xcom_pull(task_ids='deploy') or ti.xcom_pull(task_ids='score_archive'))['model'] }}",
        shards=SHARDS,
        serving="{{ settings.serving }}",
        # One of the two ways is always skipped.
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        **PLACE,
    )

    launch = HumanLoopStartOperator(
        task_id="launch",
        night=NIGHT,
        model="{{ ti.xcom_pull(task_ids='scored')['model'] }}",
        flow_definition_name="{{ settings.flow_definition }}",
        labels="{{ settings.labels }}",
        review=REVIEW,
        choose_again="{{ params.choose_again }}",
        airflow_conn_id="{{ settings.airflow_conn_id }}",
        a2i_conn_id="{{ settings.a2i_conn_id }}",
        pool=LAUNCH_POOL,
        **PLACE,
    )

    await_reviews = HumanLoopSensor(
        task_id="await_reviews",
        night=NIGHT,
        flow_definition_name="{{ settings.flow_definition }}",
        review="{{ settings.review }}",
        a2i_conn_id="{{ settings.a2i_conn_id }}",
        **PLACE,
    )

    manifest = AugmentedManifestOperator(
        task_id="manifest",
        night=NIGHT,
        labels="{{ settings.labels }}",
        **PLACE,
    )

    train = SageMakerIncrementalTrainingOperator(
        task_id="train",
        skip="{{ '' if params.train else 'Training is switched off for this run.' }}",
        night=NIGHT,
        holdout_version="{{ settings.holdout_version }}",
        execution_role_arn="{{ settings.execution_role_arn }}",
        training="{{ settings.training.override(control_arm=params.control_arm) }}",
        pool=TRAINING_POOL,
        deferrable=True,
        **PLACE,
    )

    evaluate = DetectorEvaluationOperator(
        task_id="evaluate",
        challenger="{{ ti.xcom_pull(task_ids='train')['model'] }}",
        control="{{ (ti.xcom_pull(task_ids='train')['control'] or {}).get('model') }}",
        holdout_version="{{ settings.holdout_version }}",
        execution_role_arn="{{ settings.execution_role_arn }}",
        evaluation="{{ settings.evaluation }}",
        deferrable=True,
        **PLACE,
    )

    @task.branch(task_id="decide")
    def decide(verdict: dict[str, Any], ask_a_person: bool) -> str | None:
        """Return the next task: a challenger that lost ends the night here."""
        if not verdict["promote"]:
            return None
        return "approve" if ask_a_person else "promote"

    decision = decide(
        evaluate.output,  # type: ignore[arg-type]  # the result, at run time
        "{{ choose(params.require_approval, settings.training.require_approval) }}",  # type: ignore[arg-type]
    )

    approve = PromotionApprovalOperator(
        task_id="approve",
        challenger="{{ ti.xcom_pull(task_ids='evaluate')['challenger'] }}",
        subject="Promote {{ ti.xcom_pull(task_ids='evaluate')['challenger'] }}?",
        body="{{ ti.xcom_pull(task_ids='evaluate')['reason'] }}\n\n"
        "Comparison: {{ ti.xcom_pull(task_ids='evaluate')['comparison'] }}",
        response_timeout=timedelta(days=7),
        execution_timeout=None,
        # Rejected, `promote` must not run although `decide` has succeeded.
        ignore_downstream_trigger_rules=True,
        **PLACE,
    )

    promote = ChampionPromoteOperator(
        task_id="promote",
        challenger="{{ ti.xcom_pull(task_ids='evaluate')['challenger'] }}",
        # `approve` is skipped when no approval is wanted.
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        **PLACE,
    )

    deploy_champion = SageMakerDeployEndpointOperator(task_id="deploy_champion", **DEPLOYMENT, **PLACE)

    plan >> deploy >> score >> scored
    plan >> score_archive >> scored
    scored >> launch >> await_reviews >> manifest >> train >> evaluate
    decision >> [approve, promote]
    approve >> promote >> deploy_champion


if __name__ == "__main__":
    dag.test()
