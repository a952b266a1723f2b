"""Human task UIs: worker templates under a name, never changed, and RenderUiTemplate to try them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from include.review_desk import arns
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.aws_api import paging, tagging
from include.review_desk.aws_api.roles import check_role
from include.review_desk.clock import as_datetime
from include.review_desk.errors import (
    InvalidRequest,
    MissingResource,
    NameInUse,
    OutOfReach,
    RenderFailure,
)
from include.review_desk.loops import templates
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import schema
from include.review_desk.strict_json import JsonFault, parse_json
from include.review_desk.worker_templates.obstacles import find_obstacles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk

WOULD_BE_REFUSED = "AnswersWouldBeRefused"
"""Code of an error that is a warning: the template renders, but its page would refuse every answer."""

_uis = schema.human_task_uis


def create(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """CreateHumanTaskUi. As on AWS the template is not rendered: RenderUiTemplate does that.

    Raises
    ------
    NameInUse
    """
    name, content = params["HumanTaskUiName"], params["UiTemplate"]["Content"]
    arn = desk.config.arns.make(arns.HUMAN_TASK_UI, name)
    try:
        with desk.database.write() as connection:
            digest = templates.keep(connection, content)
            connection.execute(
                insert(_uis).values(name=name, template_sha256=digest, created_ms=desk.clock())
            )
            tagging.put(connection, arns.HUMAN_TASK_UI, name, params.get("Tags", []))
    except IntegrityError:
        raise NameInUse(
            f"The human task UI {arn} exists already: a changed template needs a new name."
        ) from None
    return {"HumanTaskUiArn": arn}


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeHumanTaskUi; Url answers with the template as plain text."""
    with desk.database.read() as connection:
        row = connection.execute(select(_uis).where(_uis.c.name == name)).one_or_none()
    if row is None:
        raise MissingResource(
            f"The human task UI {desk.config.arns.make(arns.HUMAN_TASK_UI, name)} does not exist."
        )
    return {
        "HumanTaskUiArn": desk.config.arns.make(arns.HUMAN_TASK_UI, name),
        "HumanTaskUiName": name,
        "HumanTaskUiStatus": "Active",
        "CreationTime": as_datetime(row.created_ms),
        "UiTemplate": {
            "Url": f"{desk.config.public_url}/templates/{row.template_sha256}",
            "ContentSha256": row.template_sha256,
        },
    }


def list_uis(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListHumanTaskUis."""
    order = paging.sort_order(params, _uis.c.created_ms, _uis.c.id)
    query = select(_uis.c.id.label("identity"), _uis.c.created_ms.label("sort_key"), _uis.c.name).where(
        *paging.created_between(params, _uis.c.created_ms)
    )
    with desk.database.read() as connection:
        rows, token = paging.fetch_page(connection, query, order, params)
    summaries = [
        {
            "HumanTaskUiName": row.name,
            "HumanTaskUiArn": desk.config.arns.make(arns.HUMAN_TASK_UI, row.name),
            "CreationTime": as_datetime(row.sort_key),
        }
        for row in rows
    ]
    return {"HumanTaskUiSummaries": summaries} | ({"NextToken": token} if token else {})


def delete_ui(desk: Desk, name: str) -> None:
    """DeleteHumanTaskUi: flow definitions that use it start no new loops, running loops continue."""
    with desk.database.write() as connection:
        if connection.execute(delete(_uis).where(_uis.c.name == name)).rowcount == 0:
            arn = desk.config.arns.make(arns.HUMAN_TASK_UI, name)
            raise MissingResource(f"The human task UI {arn} does not exist.")
        tagging.forget(connection, arns.HUMAN_TASK_UI, name)
        record(connection, desk.clock(), Action.TASK_UI_DELETED, f"human-task-ui/{name}")


def render(desk: Desk, params: Mapping[str, Any], *, purpose: Purpose = UNLIMITED) -> dict[str, Any]:
    """RenderUiTemplate: a template that does not render is an answer with Errors, not an error.

    Where the page of one that renders would refuse all answers, Errors of the code WOULD_BE_REFUSED say so.

    Raises
    ------
    InvalidRequest
        Neither or both of UiTemplate and HumanTaskUiArn, or a role that cannot be assumed.
    MissingResource
        The human task UI does not exist.
    AccessDenied
        A link leads to where the caller's key may not read.
    """
    check_role(desk.config, params["RoleArn"])
    content = _template_to_render(desk, params)
    try:
        task_input = parse_json(params["Task"]["Input"])
        html = desk.renderer.render(content, task_input, reads=purpose.reads)
        obstacles = find_obstacles(html, desk.config.image_origins)
        errors = [{"Code": WOULD_BE_REFUSED, "Message": sentence} for sentence in obstacles]
        return {"RenderedContent": html, "Errors": errors}
    except JsonFault as fault:
        error = {"Code": "InvalidParameters", "Message": f"Task.Input is not valid JSON: {fault}."}
    except OutOfReach as failure:
        raise purpose.out_of_reach(failure.message) from None
    except RenderFailure as failure:
        error = {"Code": failure.code, "Message": failure.message}
    return {"RenderedContent": "", "Errors": [error]}


def _template_to_render(desk: Desk, params: Mapping[str, Any]) -> str:
    if ("UiTemplate" in params) == ("HumanTaskUiArn" in params):
        raise InvalidRequest("Give exactly one of UiTemplate and HumanTaskUiArn.")
    if "UiTemplate" in params:
        return str(params["UiTemplate"]["Content"])
    arn = params["HumanTaskUiArn"]
    with desk.database.read() as connection:
        content = templates.of_task_ui(connection, desk.config.arns.name_of(arns.HUMAN_TASK_UI, arn))
    if content is None:
        raise MissingResource(f"The human task UI {arn} does not exist.")
    return content
