"""Browsers, commands and people for the tests about who may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.desk import unique
from tests.support.reviewer import PASSWORD

from .browser import Browser

if TYPE_CHECKING:
    from tests.support.desk import Site


@pytest.fixture
def browser(site: Site):
    with Browser(site.url) as browser:
        yield browser


@pytest.fixture
def person(site: Site) -> str:
    """The name of somebody with an account."""
    name = unique("person")
    site.add_worker(unique("team"), name)
    return name


@pytest.fixture
def signed_in(browser: Browser, person: str) -> Browser:
    assert browser.sign_in(person, PASSWORD).status_code == 303
    return browser
