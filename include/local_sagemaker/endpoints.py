"""Endpoints: created, replaced without a gap (blue/green), deleted, and brought back after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from include.aws_protocol import ServiceError
from include.local_sagemaker import listing
from include.local_sagemaker.arns import ENDPOINT, ENDPOINT_CONFIG, already_exists, find, invalid
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.fleet import Fleet, resolve_variants, retain_properties, summaries
from include.local_sagemaker.service import now

if TYPE_CHECKING:
    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document

logger = logging.getLogger(__name__)

_IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
_MAX_REASON_CHARACTERS = 1024
_RELAUNCH_WAIT_SECONDS = 50.0


class Endpoints:
    """The operations on endpoints, and the fleets behind those in service.

    An endpoint's document keeps what it runs (``_Variants``), so that it survives the deletion of its model
    and configuration, as on SageMaker.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fleets: dict[str, Fleet] = {}
        self._relaunches: dict[str, asyncio.Task[None]] = {}

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {
            ("sagemaker", "CreateEndpoint"): self._create,
            ("sagemaker", "DescribeEndpoint"): self._describe,
            ("sagemaker", "ListEndpoints"): self._list,
            ("sagemaker", "UpdateEndpoint"): self._update,
            ("sagemaker", "DeleteEndpoint"): self._delete,
        }

    def restore(self) -> None:
        """Restart endpoints that ran, or were about to, when the previous server ended."""
        for endpoint in self._service.store.all(ENDPOINT):
            name, status = endpoint["EndpointName"], endpoint["EndpointStatus"]
            if status == "Deleting":
                self._forget(name)
            elif status == "Creating":
                self._service.run_in_background(self._bring_up(name))
            elif status != "Failed":
                interrupted = "PendingDeploymentSummary" in endpoint
                reason = "The server was restarted during the update; update again." if interrupted else None
                self._set(
                    name,
                    EndpointStatus="SystemUpdating",
                    PendingDeploymentSummary=None,
                    FailureReason=reason or endpoint.get("FailureReason"),
                )
                self._relaunches[name] = self._service.run_in_background(self._bring_up(name))

    def status(self) -> list[dict[str, str]]:
        """Return name, status and configuration of every endpoint."""
        return [
            {
                "name": endpoint["EndpointName"],
                "status": endpoint["EndpointStatus"],
                "config": endpoint["EndpointConfigName"],
            }
            for endpoint in self._service.store.all(ENDPOINT)
        ]

    async def fleet(self, name: str) -> Fleet:
        """Return the fleet that serves an endpoint now.

        Raises
        ------
        ServiceError
            ``ValidationError``, as SageMaker Runtime answers for an endpoint that does not exist or is not
            in service.
        """
        if name in self._relaunches:
            # A restart of this server should not fail requests: they wait.
            await asyncio.wait({self._relaunches[name]}, timeout=_RELAUNCH_WAIT_SECONDS)
        fleet = self._fleets.get(name)
        if fleet is not None:
            return fleet
        endpoint = self._service.store.get(ENDPOINT, name)
        account = self._service.place.account_id
        if endpoint is None:
            raise ServiceError("ValidationError", f"Endpoint {name} of account {account} not found.")
        raise ServiceError(
            "ValidationError",
            f"Endpoint {name} of account {account} is not in service; "
            f"its status is {endpoint['EndpointStatus']}.",
        )

    async def _create(self, call: Call) -> dict[str, Any]:
        name, config = call.params["EndpointName"], self._config(call.params["EndpointConfigName"])
        arn = self._service.place.arn(ENDPOINT, name)
        moment = now()
        variants = resolve_variants(self._service, config)
        document = {
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": config["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": moment,
            "LastModifiedTime": moment,
            "_Variants": variants,
        }
        if "DeploymentConfig" in call.params:
            document["LastDeploymentConfig"] = call.params["DeploymentConfig"]
        if not self._service.store.insert(ENDPOINT, name, document):
            raise already_exists(self._service.place, ENDPOINT, name)
        self._service.store.add_tags(arn, call.params.get("Tags", []))
        self._service.run_in_background(self._bring_up(name))
        return {"EndpointArn": arn}

    async def _bring_up(self, name: str) -> None:
        """Start the fleet that an endpoint's document describes: InService, or Failed with the reason."""
        endpoint = self._endpoint(name)
        fleet = Fleet(self._service, name, endpoint["_Variants"])
        try:
            await fleet.start()
        except Exception as error:
            self._set(name, EndpointStatus="Failed", FailureReason=_reason(error, name))
        else:
            self._fleets[name] = fleet
            self._set(
                name, EndpointStatus="InService", ProductionVariants=summaries(endpoint["_Variants"], now())
            )
        finally:
            self._relaunches.pop(name, None)

    async def _update(self, call: Call) -> dict[str, Any]:
        name = call.params["EndpointName"]
        endpoint = self._idle_endpoint(name)
        if endpoint["EndpointStatus"] == "Failed":
            raise invalid(f'Cannot update endpoint "{endpoint["EndpointArn"]}" in status Failed; delete it.')
        config = self._config(call.params["EndpointConfigName"])
        variants = retain_properties(
            resolve_variants(self._service, config), endpoint["_Variants"], call.params
        )
        pending = {"EndpointConfigName": config["EndpointConfigName"], "StartTime": now()}
        self._set(name, EndpointStatus="Updating", PendingDeploymentSummary=pending, FailureReason=None)
        deployment = call.params.get("DeploymentConfig")
        self._service.run_in_background(
            self._replace(name, config["EndpointConfigName"], variants, deployment)
        )
        return {"EndpointArn": endpoint["EndpointArn"]}

    async def _replace(
        self, name: str, config_name: str, variants: list[dict[str, Any]], deployment: Document | None
    ) -> None:
        """Start the new fleet beside the old one, switch, then let the old one finish its requests.

        If the new fleet fails its pings, the endpoint stays in service with the old configuration.
        """
        fleet = Fleet(self._service, name, variants)
        try:
            await fleet.start()
        except Exception as error:
            self._set(
                name,
                EndpointStatus="InService",
                PendingDeploymentSummary=None,
                FailureReason=_reason(error, name),
            )
            return
        # Between here and the next await every request sees either the old fleet or the new one.
        old = self._fleets[name]
        self._fleets[name] = fleet
        self._set(
            name,
            EndpointStatus="InService",
            EndpointConfigName=config_name,
            PendingDeploymentSummary=None,
            FailureReason=None,
            ProductionVariants=summaries(variants, now()),
            _Variants=variants,
            **({"LastDeploymentConfig": deployment} if deployment else {}),
        )
        await old.drain_and_stop()

    async def _delete(self, call: Call) -> None:
        name = call.params["EndpointName"]
        self._idle_endpoint(name)
        self._set(name, EndpointStatus="Deleting")
        self._service.run_in_background(self._take_down(name))

    async def _take_down(self, name: str) -> None:
        fleet = self._fleets.pop(name, None)
        if fleet is not None:
            with contextlib.suppress(JobError):
                await fleet.drain_and_stop()
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._service.store.delete(ENDPOINT, name)
        self._service.store.delete_tags(self._service.place.arn(ENDPOINT, name))

    async def _describe(self, call: Call) -> dict[str, Any]:
        return self._endpoint(call.params["EndpointName"])

    async def _list(self, call: Call) -> dict[str, Any]:
        return listing.page(
            self._service.store.all(ENDPOINT),
            call.params,
            result="Endpoints",
            name="EndpointName",
            status="EndpointStatus",
        )

    def _idle_endpoint(self, name: str) -> Document:
        endpoint = self._endpoint(name)
        if endpoint["EndpointStatus"] in _IN_PROGRESS:
            raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        return endpoint

    def _endpoint(self, name: str) -> Document:
        return find(self._service.store, self._service.place, ENDPOINT, name)

    def _config(self, name: str) -> Document:
        return find(self._service.store, self._service.place, ENDPOINT_CONFIG, name)

    def _set(self, name: str, **members: Any) -> None:
        self._service.store.update(ENDPOINT, name, LastModifiedTime=now(), **members)


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, JobError):
        return str(error)[:_MAX_REASON_CHARACTERS]
    logger.error("Endpoint %s failed inside the server", name, exc_info=error)
    return f"InternalServerError: {type(error).__name__}: {error}"[:_MAX_REASON_CHARACTERS]
