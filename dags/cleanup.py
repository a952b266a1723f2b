"""
### Clean up

Deletes SageMaker models and endpoint configs that this deployment created and no longer needs, found by their
names and tags. What any endpoint serves, the champion and its parent (the way back) stay, and so does
everything in S3. By default the run only says what it would delete.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from secondlook.dag_defaults import PLACE, TAGS, macros, task_defaults
from secondlook.operators.cleanup import CleanupOperator
from secondlook.runtime.parameters import check_conf

with DAG(
    dag_id="cleanup",
    description="Delete SageMaker models and endpoint configs that are no longer needed.",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=macros(),
    params={
        "dry_run": Param(
            True,
            type="boolean",
            title="Only report",
            description="Say in the log what would be deleted, and delete nothing.",
        ),
        "min_age_hours": Param(
            24,
            type="number",
            minimum=0,
            title="Smallest age in hours",
            description="Younger resources stay: a deployment may be under way.",
        ),
    },
    default_args=task_defaults(retries=2, execution_timeout=timedelta(hours=1)),
    tags=TAGS,
) as dag:
    CleanupOperator(
        task_id="cleanup",
        pre_execute=check_conf,
        **PLACE,
        only_report="{{ params.dry_run }}",
        min_age_hours="{{ params.min_age_hours }}",
    )


if __name__ == "__main__":
    dag.test()
