"""
### The first model

Upload a PASCAL VOC folder to `bootstrap/voc/` (`JPEGImages`, `Annotations`, optionally `ImageSets/Main` with
`train.txt` and `val.txt`) and labelled test images to `holdout/<version>/voc/<slice>/` (the same form; the
slices `clean` and `drifted` are reported by name). `pack` makes RecordIO files, manifests and the frozen
holdout, `train` trains from scratch, `publish` writes the champion pointer, `deploy` creates the endpoint.

Images and boxes that cannot be used are listed with a sentence each in `bootstrap/rejected.jsonl` and
`holdout/<version>/rejected.jsonl`; docs/how-to/data-sets.md says what a folder may look like.

If there is a champion already, `publish` is skipped unless the run has
`replace`; `deploy` then makes sure that the endpoint serves the champion there is. With
`serving.scoring = "transform"` in the settings nothing is deployed.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TriggerRule

from secondlook.dag_defaults import PLACE, TAGS, TRAINING_POOL, macros, task_defaults
from secondlook.operators.bootstrap import SageMakerBootstrapTrainingOperator
from secondlook.operators.deploy import SageMakerDeployEndpointOperator
from secondlook.operators.pack import PackVocOperator
from secondlook.operators.publish import ChampionPublishOperator
from secondlook.runtime.parameters import check_conf

with DAG(
    dag_id="bootstrap_detector",
    description="From a PASCAL VOC folder to the first model in service.",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=macros(),
    params={
        "replace": Param(
            False,
            type="boolean",
            title="Replace the champion",
            description="Put the new model into service although there is a champion already.",
        ),
        "validation_share": Param(
            None,
            type=["null", "number"],
            minimum=0.01,
            maximum=0.9,
            title="Validation share",
            description="Only without ImageSets/Main/val.txt: share of images to validate with. "
            "Empty: from the settings.",
        ),
    },
    default_args=task_defaults(retries=2, execution_timeout=timedelta(hours=4)),
    tags=TAGS,
) as dag:
    pack = PackVocOperator(
        task_id="pack",
        pre_execute=check_conf,
        labels="{{ settings.labels }}",
        holdout_version="{{ settings.holdout_version }}",
        bootstrap="{{ settings.bootstrap.override(validation_share=params.validation_share) }}",
        **PLACE,
    )

    train = SageMakerBootstrapTrainingOperator(
        task_id="train",
        labels="{{ settings.labels }}",
        image_uri="{{ settings.image_uri }}",
        execution_role_arn="{{ settings.execution_role_arn }}",
        training="{{ settings.training }}",
        bootstrap="{{ settings.bootstrap }}",
        pool=TRAINING_POOL,
        deferrable=True,
        **PLACE,
    )

    publish = ChampionPublishOperator(
        task_id="publish",
        model="{{ ti.xcom_pull(task_ids='train')['model'] }}",
        replace="{{ params.replace }}",
        **PLACE,
    )

    deploy = SageMakerDeployEndpointOperator(
        task_id="deploy",
        skip="{% if settings.serving.scoring == 'transform' %}"
        "Images are scored by batch transform: there is nothing to deploy."
        "{% endif %}",
        endpoint_name="{{ settings.endpoint_name }}",
        execution_role_arn="{{ settings.execution_role_arn }}",
        serving="{{ settings.serving }}",
        labels="{{ settings.labels }}",
        deferrable=True,
        # A champion that was there before is deployed, too.
        trigger_rule=TriggerRule.NONE_FAILED,
        **PLACE,
    )

    pack >> train >> publish >> deploy


if __name__ == "__main__":
    dag.test()
