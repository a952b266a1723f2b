"""
### Human review: set up or take down

**create** checks the work team, renders the worker template with an example, and creates the human task UI
and the flow definition on Amazon A2I or on the Review Desk, whichever the connection names. Run it once per
deployment; what exists already is left as it is. A changed worker template or task needs another name in the
setting `flow_definition`, or a **remove** first: flow definitions cannot be changed.

**remove** deletes the flow definition and its human task UI. It refuses while reviews are open, unless
forced. Answers stay in S3.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from secondlook.dag_defaults import PLACE, macros, task_defaults
from secondlook.operators.remove_review_workflow import ReviewWorkflowRemoveOperator
from secondlook.operators.review_workflow import ReviewWorkflowCreateOperator
from secondlook.runtime.parameters import check_conf

with DAG(
    dag_id="review_workflow",
    description="Set up human review, or take it down.",
    schedule=None,
    doc_md=__doc__,
    tags=["second-look", "setup"],
    max_active_runs=1,
    default_args=task_defaults(retries=2),
    render_template_as_native_obj=True,
    user_defined_macros=macros(),
    params={
        "action": Param(
            "create",
            type="string",
            enum=["create", "remove"],
            title="Action",
            description="Set up human review, or take it down.",
        ),
        "force": Param(
            False,
            type="boolean",
            title="Remove although reviews are open",
            description="Reviews that nobody started are lost; those in progress can still be submitted.",
        ),
    },
) as dag:

    @task.branch(task_id="choose", pre_execute=check_conf)
    def choose(action: str) -> str:
        """Go the way of the chosen action."""
        return action

    create = ReviewWorkflowCreateOperator(
        task_id="create",
        **PLACE,
        a2i_conn_id="{{ settings.a2i_conn_id }}",
        flow_definition_name="{{ settings.flow_definition }}",
        flow_role_arn="{{ settings.flow_role_arn }}",
        workteam_name="{{ settings.workteam_name }}",
        labels="{{ settings.labels }}",
        review="{{ settings.review }}",
    )
    remove = ReviewWorkflowRemoveOperator(
        task_id="remove",
        **PLACE,
        a2i_conn_id="{{ settings.a2i_conn_id }}",
        flow_definition_name="{{ settings.flow_definition }}",
        force="{{ params.force }}",
    )
    choose("{{ params.action }}") >> [create, remove]
