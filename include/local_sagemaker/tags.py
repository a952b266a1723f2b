"""ListTags, AddTags and DeleteTags on every kind of resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.local_sagemaker.arns import (
    ENDPOINT,
    ENDPOINT_CONFIG,
    MODEL,
    TRAINING_JOB,
    TRANSFORM_JOB,
    find,
    invalid,
)

if TYPE_CHECKING:
    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.service import Service

_KINDS = (MODEL, ENDPOINT_CONFIG, ENDPOINT, TRAINING_JOB, TRANSFORM_JOB)


class Tags:
    """The tag operations."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {
            ("sagemaker", "ListTags"): self._list,
            ("sagemaker", "AddTags"): self._add,
            ("sagemaker", "DeleteTags"): self._delete,
        }

    async def _list(self, call: Call) -> dict[str, Any]:
        return {"Tags": self._service.store.tags(self._existing(call))}

    async def _add(self, call: Call) -> dict[str, Any]:
        arn = self._existing(call)
        self._service.store.add_tags(arn, call.params["Tags"])
        return {"Tags": self._service.store.tags(arn)}

    async def _delete(self, call: Call) -> None:
        self._service.store.delete_tags(self._existing(call), call.params["TagKeys"])

    def _existing(self, call: Call) -> str:
        arn: str = call.params["ResourceArn"]
        place = self._service.place
        kind, _, name = arn.removeprefix(place.arn("", "")[:-1]).partition("/")
        if kind not in _KINDS or arn != place.arn(kind, name):
            raise invalid(
                f"{arn} is not the ARN of a resource in {place.region} of account {place.account_id}."
            )
        find(self._service.store, place, kind, name)
        return arn
