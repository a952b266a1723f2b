"""Roles that callers pass. The desk does not assume them, but refuses a wrong one as AWS does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.review_desk.errors import InvalidRequest

if TYPE_CHECKING:
    from include.review_desk.context import DeskConfig

_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::(\d{12}):role/[\w+=,.@\-/]+")


def check_role(config: DeskConfig, role_arn: str) -> None:
    """Raise InvalidRequest unless the role is of this account and, where roles are listed, among them."""
    match = _ROLE.fullmatch(role_arn)
    if match is not None and match[1] != config.account_id:
        raise InvalidRequest(
            f"Could not assume role {role_arn}: this Review Desk runs for account {config.account_id}. "
            f"Start it with --account-id {match[1]}, or name a role of its account."
        )
    if match is None or (config.role_arns is not None and role_arn not in config.role_arns):
        raise InvalidRequest(
            f"Could not assume role {role_arn}: ensure that it exists in account {config.account_id} and "
            "allows principal 'sagemaker.amazonaws.com' to assume it."
        )
