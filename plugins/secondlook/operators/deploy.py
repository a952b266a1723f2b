"""Put a model into service without the endpoint going away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import names
from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.job_reasons import reason_passes
from secondlook.names import INSTANCE_TYPE, RESOURCE_NAME, ROLE_ARN
from secondlook.operators.waiting import SageMakerOperator
from secondlook.runtime.links import EndpointLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from secondlook.hooks.sagemaker import EndpointState

NAME_PREFIX = "second-look"
# Requests of one task for a deployment; more than two mean that somebody deploys against it.
MOST_REQUESTS = 5
# Between two control images while the model's server fails: a minute together.
TRY_OUT_DELAYS_SECONDS: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30)
_UNUSABLE = {"Failed", "OutOfService", "UpdateRollbackFailed"}


class EndpointRollbackError(SecondLookError):
    """The update was rolled back: the endpoint answers, but with the old model."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class EndpointContestedError(SecondLookError):
    """Other runs put other models into service again and again."""

    passing = True


class EndpointFailedError(SecondLookError):
    """The endpoint is not in service."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class SageMakerDeployEndpointOperator(SageMakerOperator):
    """Make an endpoint serve exactly one artifact.

    The names of SageMaker model and endpoint config hold a hash of what they are made of. If the endpoint
    already serves the config of that name there is nothing to do; if not it is created, or updated
    blue/green. Success means ``InService`` **and** the wanted ``EndpointConfigName``: a failed update ends
    ``InService`` with the old config. An update that another run has begun is waited out first, and then the
    champion is looked up anew: runs that deploy at the same time all end with the latest champion in service.
    An endpoint in status ``Failed`` answers nobody and can only be deleted (SageMaker API Reference,
    DescribeEndpoint): it is deleted and created anew.

    Last, the endpoint is asked about a control image, and its answer is read: a model that answers in another
    form, or not at all, fails this task and not the night's images.

    Returns ``{"endpoint", "endpoint_config", "model", "artifact"}``.

    :param endpoint_name: name of the endpoint (templated).
    :param execution_role_arn: role that the model runs under (templated).
    :param instance_type: for example ``ml.m5.xlarge`` (templated).
    :param instance_count: instances behind the endpoint (templated).
    :param labels: label names; an answer with a class beyond them is another model's. None: not checked
        (templated).
    :param champion: ``s3://`` address of the champion pointer, by default the deployment's own (templated).
    :param model: deploy this model instead of the champion; needs ``artifact`` and ``image`` (templated).
    :param artifact: ``s3://`` address of the model.tar.gz (templated).
    :param image: address of the inference image (templated).
    :param enabled: False skips the task: the run needs no endpoint (templated).
    :param in_backfill: False skips the task in backfill runs: an old night is no reason to change what is in
        service.
    """

    template_fields = (
        *SageMakerOperator.template_fields,
        "endpoint_name",
        "execution_role_arn",
        "instance_type",
        "instance_count",
        "labels",
        "champion",
        "model",
        "artifact",
        "image",
        "enabled",
    )
    operator_extra_links = (EndpointLink(),)
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        endpoint_name: str,
        execution_role_arn: str,
        instance_type: str,
        instance_count: int | str = 1,
        labels: Sequence[str] | str | None = None,
        champion: str | None = None,
        model: str | None = None,
        artifact: str | None = None,
        image: str | None = None,
        enabled: bool | str = True,
        in_backfill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.execution_role_arn = execution_role_arn
        self.instance_type = instance_type
        self.instance_count = instance_count
        self.labels = labels
        self.champion = champion
        self.model = model
        self.artifact = artifact
        self.image = image
        self.enabled = enabled
        self.in_backfill = in_backfill
        self.check_text("endpoint_name", endpoint_name, RESOURCE_NAME)
        self.check_text("execution_role_arn", execution_role_arn, ROLE_ARN)
        self.check_text("instance_type", instance_type, INSTANCE_TYPE)
        self.check_number("instance_count", instance_count, minimum=1)
        if len({model is None, artifact is None, image is None}) > 1:
            raise self.wrong("model", "needs artifact and image beside it, or none of the three")
        if champion is not None and model is not None:
            raise self.wrong("champion", "and model exclude each other")

    def execute(self, context: Context) -> Any:
        """Create what is missing, ask for the deployment, wait, verify."""
        self._skip_unless_wanted(context)
        self.check_text("execution_role_arn", self.execution_role_arn, ROLE_ARN)
        name = str(self.endpoint_name)
        EndpointLink.persist(context, self, client=self.sagemaker.client, name=name)
        return self.advance(context, {"endpoint": name})

    def advance(self, context: Context, progress: dict[str, Any]) -> dict[str, str]:
        """Look at the endpoint and do the next thing."""
        name = progress["endpoint"]
        state = self.sagemaker.endpoint(name)
        if state is None or not state.settling:
            # Only now: while this run waited, another one may have promoted a model and deployed it.
            self._aim(progress)
            config = progress["endpoint_config"]
            if state is not None and state.status == "InService" and state.config == config:
                self.log.info("Endpoint %s serves %s (%s).", name, progress["model"], config)
                self._try_out(name, progress)
                return {key: progress[key] for key in ("endpoint", "endpoint_config", "model", "artifact")}
            if progress.get("asked") == config and not self._replaced_by_others(state, progress):
                raise self._fault(name, config, state)
            self._count_request(name, progress)
            progress["asked"] = config if self._ask(name, config, state) else None
            progress["before"] = state.config if state is not None else None
        result: dict[str, str] = self.wait_for_endpoint(context, name, progress)
        return result

    def _try_out(self, name: str, progress: dict[str, Any]) -> None:
        """Ask the model about a control image.

        A server that goes on failing may have too much to do; one that this task has just put into service is
        at fault.
        """
        from secondlook.hooks.endpoint import EndpointModel

        labels = len(self.labels) if self.labels is not None else None
        place = {"aws_conn_id": self.aws_conn_id, "region_name": self.region_name}
        model = EndpointModel(name, progress["model"], labels=labels, **place)
        just_deployed = progress.get("asked") == progress["endpoint_config"]
        model.check(TRY_OUT_DELAYS_SECONDS, at_fault=just_deployed)

    def _aim(self, progress: dict[str, Any]) -> None:
        """Note which model is to be served now, and create what of its resources is missing."""
        from secondlook.hooks.requests import project_tags

        model, artifact, image = self._target()
        role, count = self.execution_role_arn, int(self.instance_count)
        resource = names.model_resource_name(NAME_PREFIX, artifact, image, role)
        config = names.endpoint_config_name(NAME_PREFIX, resource, self.instance_type, count)
        if config != progress.get("endpoint_config"):
            tags = project_tags(self.layout.uri(self.layout.prefix))
            self.sagemaker.ensure_model(resource, artifact=artifact, image=image, role_arn=role, tags=tags)
            self.sagemaker.ensure_endpoint_config(
                config, model=resource, instance_type=self.instance_type, instance_count=count, tags=tags
            )
        progress |= {"endpoint_config": config, "model": model, "artifact": artifact}

    @staticmethod
    def _replaced_by_others(state: EndpointState | None, progress: dict[str, Any]) -> bool:
        """Whether the endpoint serves neither what was asked for nor what it served before: no rollback."""
        return state is not None and state.status == "InService" and state.config != progress["before"]

    @staticmethod
    def _count_request(name: str, progress: dict[str, Any]) -> None:
        progress["requests"] = progress.get("requests", 0) + 1
        if progress["requests"] > MOST_REQUESTS:
            raise EndpointContestedError(
                f"After {MOST_REQUESTS} requests the endpoint {name} still does not serve "
                f"{progress['model']}, because other runs deploy, too: let one run at a time deploy to it."
            )

    def _skip_unless_wanted(self, context: Context) -> None:
        if not self.enabled:
            raise AirflowSkipException("Images are scored by batch transform: there is nothing to deploy.")
        if not self.in_backfill and context["dag_run"].run_type == "backfill":
            raise AirflowSkipException(
                "A backfill run deploys nothing: the next scheduled night puts the champion into service."
            )

    def _target(self) -> tuple[str, str, str]:
        if self.model is not None:
            return str(self.model), str(self.artifact), str(self.image)
        from secondlook.records.models import read_champion

        key = self.layout.key_of(self.champion) if self.champion else self.layout.champion()
        champion = read_champion(self.store, key)
        return champion.model, champion.artifact, champion.image

    def _ask(self, name: str, config: str, state: EndpointState | None) -> bool:
        """Ask for the deployment; False when something else is under way and has to be waited out."""
        from secondlook.hooks.requests import project_tags

        if state is None:
            self.log.info("Creating endpoint %s with %s.", name, config)
            return self.sagemaker.create_endpoint(
                name, config, project_tags(self.layout.uri(self.layout.prefix))
            )
        if state.status in _UNUSABLE:
            self.log.warning(
                "Endpoint %s is %s (%s).", name, state.status, state.failure_reason or "no reason"
            )
        if state.status == "Failed":
            self.sagemaker.delete("endpoint", name)
            return False
        self.log.info("Updating endpoint %s from %s to %s.", name, state.config, config)
        return self.sagemaker.update_endpoint(name, config, replaces=state.config)

    def _fault(self, name: str, config: str, state: EndpointState | None) -> SecondLookError:
        if state is None:
            return EndpointFailedError(
                f"Somebody deleted the endpoint {name} during its deployment: run it again.", passing=True
            )
        reason = state.failure_reason.strip().rstrip(".") or "SageMaker gives no reason"
        passing = reason_passes(reason)
        if state.status == "InService":
            return EndpointRollbackError(
                f"The endpoint {name} was rolled back: it goes on serving {state.config} instead of {config} "
                f"({reason}). See the endpoint's log, then deploy again.",
                passing=passing,
            )
        return EndpointFailedError(
            f"The endpoint {name} is {state.status} after the deployment of {config} ({reason}): see its "
            "log; the next try, or a clear of this task, creates it anew.",
            passing=passing,
        )
