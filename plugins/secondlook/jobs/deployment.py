"""Deployments to an endpoint that several runs may update: requests, and why one failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.job_reasons import reason_passes

if TYPE_CHECKING:
    from secondlook.hooks.sagemaker import EndpointState, SageMaker

# Most deployment requests of one task; more than two mean that other runs keep replacing its model.
MOST_REQUESTS = 5
_UNUSABLE = {"Failed", "OutOfService", "UpdateRollbackFailed"}


class EndpointRollbackError(SecondLookError):
    """The update was rolled back: the endpoint still serves the old model."""


class EndpointContestedError(SecondLookError):
    """Other runs keep deploying other models."""

    passing = True


class EndpointFailedError(SecondLookError):
    """The endpoint is not in service."""


@dataclass(frozen=True)
class Requests:
    """What one task has requested from an endpoint so far.

    Attributes
    ----------
    count
        Number of requests.
    config
        The endpoint config requested last; empty while waiting for another run's deployment.
    before
        The endpoint config that was served then, empty without one.
    """

    count: int = 0
    config: str = ""
    before: str = ""

    def after(
        self,
        sagemaker: SageMaker,
        name: str,
        model: str,
        config: str,
        endpoint: EndpointState | None,
        log: Any,
    ) -> Requests:
        """Request that the endpoint serve a config; return the updated record of requests.

        Parameters
        ----------
        sagemaker
            The service.
        name
            Name of the endpoint.
        model
            Id of the model in the config, for messages.
        config
            The endpoint config to serve.
        endpoint
            The endpoint as described, not in transition; None when there is none.
        log
            The task's log.

        Raises
        ------
        EndpointRollbackError, EndpointFailedError
            The config was requested before and is not served: the deployment has failed.
        EndpointContestedError
            Other runs also deploy to the endpoint.
        """
        served = endpoint.config if endpoint is not None else ""
        # An endpoint that serves neither what was requested nor what it served before was not rolled back.
        replaced = endpoint is not None and endpoint.status == "InService" and served != self.before
        if self.config == config and not replaced:
            raise _failed(name, config, endpoint)
        if self.count == MOST_REQUESTS:
            raise EndpointContestedError(
                f"After {MOST_REQUESTS} requests the endpoint {name} still does not serve {model}, because "
                "other runs deploy to it, too: let one run at a time deploy."
            )
        begun = _request(sagemaker, name, config, endpoint, log)
        return Requests(self.count + 1, config if begun else "", served)


def _request(sagemaker: SageMaker, name: str, config: str, endpoint: EndpointState | None, log: Any) -> bool:
    """Request one deployment; return False if another update is in progress and has to end first.

    An endpoint in status ``Failed`` answers no request and can only be deleted (SageMaker API Reference,
    DescribeEndpoint): it is, and the next request creates it again.
    """
    if endpoint is None:
        log.info("Creating endpoint %s with %s.", name, config)
        return sagemaker.create_endpoint(name, config)
    if endpoint.status in _UNUSABLE:
        log.warning("Endpoint %s is %s (%s).", name, endpoint.status, endpoint.failure_reason or "no reason")
    if endpoint.status == "Failed":
        sagemaker.delete("endpoint", name)
        return False
    log.info("Updating endpoint %s from %s to %s.", name, endpoint.config, config)
    return sagemaker.update_endpoint(name, config, replaces=endpoint.config)


def _failed(name: str, config: str, endpoint: EndpointState | None) -> SecondLookError:
    """Return the error about an endpoint that does not serve the config that was requested."""
    if endpoint is None:
        return EndpointFailedError(
            f"The endpoint {name} was deleted during its deployment: run it again.", passing=True
        )
    reason = endpoint.failure_reason.strip().rstrip(".") or "SageMaker gives no reason"
    passing = reason_passes(reason)
    if endpoint.status == "InService":
        return EndpointRollbackError(
            f"The endpoint {name} was rolled back: it still serves {endpoint.config}, not {config} "
            f"({reason}). See the endpoint's log, then deploy again.",
            passing=passing,
        )
    return EndpointFailedError(
        f"The endpoint {name} is {endpoint.status} after the deployment of {config} ({reason}): see its "
        "log; the next try, or a clear of this task, creates it again.",
        passing=passing,
    )
