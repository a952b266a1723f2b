"""The one private workforce, ``default``, and the vendors' work teams, of which there are none.

The workforce always exists and consists of all the people of the desk. On AWS the API can restrict it
(address ranges, a VPC, a Cognito pool or an identity provider). The desk does not apply such settings, so it
refuses them rather than pretend to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from include.review_desk import arns
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, LimitExceeded, MissingResource, NameInUse
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk

NAME = "default"

_SETTINGS = {
    "SourceIpConfig": "limit the addresses in the firewall or proxy before the desk",
    "OidcConfig": "set single sign-on with the options of `serve`",
    "WorkforceVpcConfig": "the desk runs in whatever network its machine is in",
    "IpAddressType": "the desk listens where `serve --host` says",
}


def create(_desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """CreateWorkforce: always an error, as on AWS where a workforce exists.

    Raises
    ------
    NameInUse, LimitExceeded
    """
    name = params["WorkforceName"]
    if name == NAME:
        raise NameInUse(f"The workforce {NAME} exists already, from the start.")
    raise LimitExceeded(
        f"A workforce exists already in this Region, {NAME}: the Review Desk has this one and no other, so "
        f"{name} cannot be created."
    )


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeWorkforce; SubDomain is the host and port where people review."""
    _check_name(name)
    return {"Workforce": _workforce(desk)}


def list_workforces(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListWorkforces: one page."""
    _refuse_token(params)
    wanted = params.get("NameContains", "").lower() in NAME
    return {"Workforces": [_workforce(desk)] if wanted else []}


def update(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateWorkforce: with nothing to change it returns the workforce.

    Raises
    ------
    InvalidRequest
        Something is to change.
    MissingResource
    """
    _check_name(params["WorkforceName"])
    for member, instead in _SETTINGS.items():
        if member in params:
            raise InvalidRequest(f"{member} is not applied by the Review Desk: leave it out and {instead}.")
    return {"Workforce": _workforce(desk)}


def delete(desk: Desk, name: str) -> dict[str, Any]:
    """DeleteWorkforce: always an error.

    Raises
    ------
    NameInUse
        There are work teams, as on AWS.
    InvalidRequest
        There are none; the workforce stays all the same.
    """
    _check_name(name)
    with desk.database.read() as connection:
        team = connection.scalar(select(schema.workteams.c.name).order_by(schema.workteams.c.id).limit(1))
    if team is not None:
        raise NameInUse(f"The workforce {NAME} has work teams, {team} for one: delete those first.")
    raise InvalidRequest(f"The workforce {NAME} is part of the Review Desk and cannot be deleted.")


def describe_subscribed(_desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeSubscribedWorkteam: there are no vendors' teams here."""
    raise MissingResource(
        f"The work team {params['WorkteamArn']} is not a subscribed one: the Review Desk has private teams "
        "only."
    )


def list_subscribed(_desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListSubscribedWorkteams: none."""
    _refuse_token(params)
    return {"SubscribedWorkteams": []}


def _check_name(name: str) -> None:
    if name != NAME:
        raise MissingResource(f"The workforce {name} does not exist: there is one, {NAME}.")


def _refuse_token(params: Mapping[str, Any]) -> None:
    if "NextToken" in params:
        raise InvalidRequest("NextToken is not one that this service gave out.")


def _workforce(desk: Desk) -> dict[str, Any]:
    with desk.database.read() as connection:
        first_ms = connection.scalar(select(func.min(schema.workteams.c.created_ms)))
    created = as_datetime(first_ms if first_ms is not None else desk.clock())
    return {
        "WorkforceName": NAME,
        "WorkforceArn": desk.config.arns.make(arns.WORKFORCE, NAME),
        "SubDomain": desk.config.public_host,
        "CreateDate": created,
        "LastUpdatedDate": created,
        "Status": "Active",
    }
