"""Put a model into service while the endpoint keeps answering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook import names
from secondlook.jobs.deployment import Requests
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.links import EndpointLink
from secondlook.settings import ServingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from secondlook.runtime.task_state import Wait
    from secondlook.training import ServableModel

# Pauses between control images while the model's server fails: a minute in total.
TRY_OUT_DELAYS_SECONDS: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30)


class SageMakerDeployEndpointOperator(WaitingOperator[Requests]):
    """Make an endpoint serve exactly one artifact.

    The names of SageMaker model and endpoint config hold a hash of what they are made of. If the endpoint
    already serves the config of that name there is nothing to do; if not it is created, or updated
    blue/green. Success means ``InService`` **and** the wanted ``EndpointConfigName``: a failed update ends
    ``InService`` with the old config. If another run's update is in progress, the task waits for it first and
    then looks up the champion again: runs that deploy at the same time all end with the latest champion in
    service.

    Last, the endpoint is asked about a control image, and its answer is read: a model that answers in another
    form, or not at all, fails this task and not the night's images.

    Returns ``{"endpoint", "endpoint_config", "model", "artifact"}``.

    :param endpoint_name: name of the endpoint (templated).
    :param execution_role_arn: role that the model runs under (templated).
    :param serving: the endpoint's settings: a section or its keys (templated).
    :param labels: label names; an answer with a class beyond them is another model's. None: not checked
        (templated).
    :param model: deploy this model instead of the champion; needs ``artifact`` and ``image`` (templated).
    :param artifact: ``s3://`` address of the model.tar.gz (templated).
    :param image: address of the inference image (templated).
    """

    template_fields = (
        *WaitingOperator.template_fields,
        *("endpoint_name", "execution_role_arn", "serving", "labels", "model", "artifact", "image"),
    )
    operator_extra_links = (EndpointLink(),)
    ui_color = "#dbe9f6"
    state_class = Requests

    def __init__(
        self,
        *,
        endpoint_name: str,
        execution_role_arn: str,
        serving: ServingSettings | Mapping[str, Any] | str,
        labels: Sequence[str] | str | None = None,
        model: str | None = None,
        artifact: str | None = None,
        image: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.execution_role_arn = execution_role_arn
        self.serving = self.check_section("serving", serving, ServingSettings)
        self.labels = labels
        self.model = model
        self.artifact = artifact
        self.image = image
        self.check_text("endpoint_name", endpoint_name, names.RESOURCE_NAME)
        self.check_text("execution_role_arn", execution_role_arn, names.ROLE_ARN)
        if len({model is None, artifact is None, image is None}) > 1:
            raise self.wrong("model", "needs artifact and image beside it, or none of the three")

    def begin(self, context: Context) -> Requests:
        """Store the link to the endpoint."""
        self.check_text("execution_role_arn", self.execution_role_arn, names.ROLE_ARN)
        EndpointLink.persist(context, self, client=self.sagemaker.client, name=str(self.endpoint_name))
        return Requests()

    def advance(self, context: Context, state: Requests) -> Wait[Requests] | dict[str, str]:
        """Look at the endpoint; create what is missing, request the deployment, or verify it."""
        from secondlook.triggers.endpoint import EndpointTrigger

        serving = self.check_section("serving", self.serving, ServingSettings)
        name = str(self.endpoint_name)
        endpoint = self.sagemaker.endpoint(name)
        if endpoint is None or not endpoint.in_transition:
            # Only now: while this run waited, another one may have promoted a model and deployed it.
            model = self._target()
            config = self._config(model, serving, state)
            if endpoint is not None and endpoint.status == "InService" and endpoint.config == config:
                self.log.info("Endpoint %s serves %s (%s).", name, model.model, config)
                self._try_out(model.model, just_deployed=state.config == config)
                result = {"endpoint": name, "endpoint_config": config}
                return {**result, "model": model.model, "artifact": model.artifact}
            state = state.after(self.sagemaker, name, model.model, config, endpoint, self.log)
        return self.wait(EndpointTrigger, state, serving, endpoint_name=name)

    def _target(self) -> ServableModel:
        from secondlook.records.models import read_champion
        from secondlook.training import ServableModel

        if self.model is not None:
            parts = (str(self.model), str(self.artifact), str(self.image))
            return ServableModel(*parts, self.execution_role_arn)
        champion = read_champion(self.store, self.layout.champion())
        return ServableModel.of(champion, self.execution_role_arn)

    def _config(self, model: ServableModel, serving: ServingSettings, state: Requests) -> str:
        """Create the endpoint config unless it exists, and return its name."""
        kind, count = serving.instance_type, serving.instance_count
        config = names.endpoint_config_name(names.PREFIX, model.resource_name, kind, count)
        if config != state.config:
            resource = model.ensure(self.sagemaker)
            self.sagemaker.ensure_endpoint_config(
                config, model=resource, instance_type=kind, instance_count=count
            )
        return config

    def _try_out(self, model: str, *, just_deployed: bool) -> None:
        """Ask the model about a control image.

        A server that keeps failing may be overloaded; one that this task has just deployed is at fault.
        """
        from secondlook.hooks.endpoint import EndpointHook
        from secondlook.scoring.endpoint_model import EndpointModel

        labels = len(self.labels) if self.labels is not None else None
        endpoint = EndpointHook(str(self.endpoint_name), self.aws_conn_id, self.region_name)
        served = EndpointModel(endpoint, model, labels=labels)
        served.check(TRY_OUT_DELAYS_SECONDS, at_fault=just_deployed)
