"""One package index for pip and uv, whichever of the two the user has told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from include.setup.index import environment, options, pip_settings

MIRROR = "https://mirror.example/simple"


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_pip_uses_the_index_of_uv(name: str) -> None:
    result = environment({name: MIRROR})
    assert result["PIP_INDEX_URL"] == MIRROR
    assert result[name] == MIRROR


def test_uv_uses_the_index_of_pip() -> None:
    assert environment({"PIP_INDEX_URL": MIRROR})["UV_DEFAULT_INDEX"] == MIRROR
    assert environment({}, {"index-url": MIRROR})["UV_DEFAULT_INDEX"] == MIRROR


def test_each_keeps_its_own_where_both_are_set() -> None:
    result = environment({"UV_DEFAULT_INDEX": MIRROR, "PIP_INDEX_URL": "https://other.example/simple"})
    assert (result["UV_DEFAULT_INDEX"], result["PIP_INDEX_URL"]) == (MIRROR, "https://other.example/simple")


def test_nothing_is_set_where_the_user_has_set_nothing() -> None:
    result = environment({"HTTPS_PROXY": "http://proxy.example:3128"})
    assert not {"UV_DEFAULT_INDEX", "PIP_INDEX_URL", "SSL_CERT_FILE"} & result.keys()
    assert result["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert result["UV_SYSTEM_CERTS"] == "1"


def test_the_certificates_of_pip_are_those_of_uv(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    assert environment({"PIP_CERT": str(bundle)})["SSL_CERT_FILE"] == str(bundle)
    assert "SSL_CERT_FILE" not in environment({"PIP_CERT": str(tmp_path / "absent.pem")})


def test_a_folder_of_wheels_is_enough() -> None:
    given = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels file:///more"}
    assert options(given) == ["--no-index", "--find-links", "/wheels", "--find-links", "file:///more"]
    assert options({"PIP_FIND_LINKS": "/wheels"}) == []


@pytest.mark.usefixtures("programs")
def test_settings_are_those_that_pip_reports(tmp_path: Path) -> None:
    pip = tmp_path / "pip.py"
    pip.write_text("print(\"global.index-url='https://mirror.example/simple'\\n:env:.cert='/etc/ca.pem'\")")
    assert pip_settings([sys.executable, str(pip)]) == {"index-url": MIRROR, "cert": "/etc/ca.pem"}
    assert pip_settings(["/no/pip"]) == {}
