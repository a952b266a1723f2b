"""The package index that the user has set, for pip and for uv alike: each reads settings of its own only."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
# A user's habits that would send packages elsewhere than into the project's folder.
_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH", "UV_TARGET", "UV_PREFIX")


def environment(given: Mapping[str, str], pip_settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which pip and uv use the same index and the same certificates.

    Parameters
    ----------
    given
        The user's environment.
    pip_settings
        Pip's settings by name (``index-url``, ``cert``), from its files and the environment.
    """
    result = {name: value for name, value in given.items() if name not in _ELSEWHERE}
    result |= {
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    # pip trusts the certificates of the distribution; so shall uv, behind a company's proxy too.
    result.setdefault("UV_SYSTEM_CERTS", "1")
    settings = pip_settings or {}
    of_uv = next((result[name] for name in _UV_INDEXES if result.get(name)), None)
    of_pip = result.get("PIP_INDEX_URL") or settings.get("index-url")
    if of_uv:
        result.setdefault("PIP_INDEX_URL", of_uv)
    elif of_pip:
        result["UV_DEFAULT_INDEX"] = of_pip
    certificates = result.get("PIP_CERT") or settings.get("cert")
    if certificates and os.path.isfile(certificates):
        result.setdefault("SSL_CERT_FILE", certificates)
    return result


def options(given: Mapping[str, str]) -> list[str]:
    """Return uv's options for packages from a folder, as pip is told by PIP_NO_INDEX and PIP_FIND_LINKS."""
    if not given.get("PIP_NO_INDEX"):
        return []
    places = given.get("PIP_FIND_LINKS", "").split()
    return ["--no-index", *(option for place in places for option in ("--find-links", place))]


def pip_settings(pip: list[str]) -> dict[str, str]:
    """Return what ``pip config list`` says, by the settings' own names; empty when pip does not answer.

    Parameters
    ----------
    pip
        The command that runs pip.
    """
    try:
        answer = subprocess.run(
            [*pip, "config", "list"], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition("=") for line in answer.splitlines() if "=" in line)
    return {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in pairs}
