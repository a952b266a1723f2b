"""All AWS clients are made in one place, with one configuration."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secondlook.hooks import clients
from secondlook.hooks.clients import SecondLookAwsHook

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "plugins/secondlook/hooks/clients.py"
PROVIDER = "airflow.providers.amazon"
# What makes a client or a session, whoever it is asked of, and what configures one.
MAKERS = {
    *("client", "resource", "create_client", "Session", "AioSession", "get_session", "get_client_type"),
    *("get_conn", "get_async_conn", "async_conn"),
}
CONFIGURED = {"botocore.config", "botocore.session", "aiobotocore.config", "aiobotocore.session"}


def modules() -> list[Path]:
    found = [path for folder in ("plugins", "dags") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert CLIENTS in found
    return [path for path in found if path != CLIENTS]


def offences(tree: ast.AST) -> Iterator[str]:
    """What in a module makes, configures or imports the means to make a client."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if _is_maker(name.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_maker(node.module):
            yield f"from {node.module} import ..."
        elif isinstance(node, ast.Call) and _called(node.func) in MAKERS:
            yield f"{_called(node.func)}(...)"


def _is_maker(module: str) -> bool:
    return (
        module in {"boto3", "aiobotocore", "aioboto3", "s3fs", "sagemaker", *CONFIGURED}
        or module.startswith(("boto3.session", PROVIDER))
    )  # fmt: skip


def _called(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_makes_clients(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text()))) == []


def test_the_search_finds_what_it_looks_for() -> None:
    source = (
        "import boto3\nfrom airflow.providers.amazon.aws.hooks.s3 import S3Hook\n"
        "boto3.client('s3')\nS3Hook().get_conn()\nfrom botocore.config import Config\n"
    )
    assert len(list(offences(ast.parse(source)))) == 5


HOOKS = [value for value in vars(clients).values() if isinstance(value, type)]
HOOKS = [hook for hook in HOOKS if issubclass(hook, SecondLookAwsHook) and hook is not SecondLookAwsHook]


def check(config: Any) -> None:
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 6}
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5, 70, 64)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
async def test_every_client_has_the_configuration_whatever_the_connection_says(
    hook: type[SecondLookAwsHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        '{"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "us-east-1", '
        '"config_kwargs": {"retries": {"mode": "legacy", "max_attempts": 100}}}}',
    )
    check(hook().client.meta.config)
    async with await hook().async_client() as client:
        check(client.meta.config)
