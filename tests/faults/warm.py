"""Start quickly: what every process would load anew is loaded once, before it is forked.

A botocore session reads its service models from disk, and each Airflow hook makes a session. Processes of the
harness share one loader, whose cache is full already; nothing else about their clients differs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
from functools import cache
from typing import Any
from unittest.mock import patch

import aiobotocore.session  # noqa: F401  # imported before the fork
import botocore.session
from botocore.loaders import create_loader

_HARMLESS = (
    "secondlook.",
    "airflow.",
    "botocore.",
    "aiobotocore.",
    "boto3.",
    "aiohttp.",
    "asgiref.",
    "yarl.",
)
"""Packages whose modules do nothing but define things."""


@cache
def shared_loader() -> Any:
    """A loader that has read the models of all services of a night.

    Only the waiting clients are made: asynchronous ones would start threads, which do not survive a fork.
    """
    from secondlook.hooks import clients

    loader = create_loader()
    # A connection that leads nowhere: clients are made, nobody is called.
    extra = {"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}
    nowhere = json.dumps({"conn_type": "aws", "login": "warm-up", "password": "warm-up", "extra": extra})
    with (
        patch.dict(os.environ, {"AIRFLOW_CONN_AWS_DEFAULT": nowhere}),
        patch.object(botocore.session, "create_loader", lambda _=None: loader),
    ):
        for hook in clients.SecondLookAwsHook.__subclasses__():
            _ = hook().client
    return loader


def use_shared_loader() -> None:
    """Let all sessions of this process use it; call in a forked process only."""
    loader = shared_loader()
    botocore.session.create_loader = lambda _=None: loader


def import_early(modules: list[str]) -> None:
    """Import what a process had to import, so that the next ones find it there."""
    for name in modules:
        if name.startswith(_HARMLESS) and name not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()
