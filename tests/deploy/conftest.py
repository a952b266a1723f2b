"""The compose file with a generated environment, as in a team's first start."""

from __future__ import annotations

import pytest

from include.deploy.new_environment import filled

from .compose_file import EXAMPLE, interpolated, variables


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return variables(filled(EXAMPLE)) | {"AWS_ACCOUNT_ID": "444455556666"}


@pytest.fixture(scope="session")
def services(environment: dict[str, str]) -> dict[str, dict]:
    return interpolated(environment)["services"]
