"""Whose act it is, and what counts as an address."""

from __future__ import annotations

import os
import pwd

import pytest

from include.review_desk.audit_trail import actors


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        # A proxy passes on what it was sent, which may be anything.
        ("a secret, or <script>", None),
        ("192.0.2.7 and more", None),
        ("x" * 10_000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_an_address_is_kept_of_what_a_request_claims(host: str | None, address: str | None):
    actor = actors.visitor(host)
    assert (actor.kind, actor.name, actor.address) == ("visitor", None, address)
    assert len(actor.address or "") <= 45


def test_a_key_acts_from_the_address_of_its_request():
    with actors.act_as(actors.visitor("192.0.2.7")):
        with actors.act_as(actors.signed_with("SLDK")):
            assert actors.acting() == actors.Actor("key", "SLDK", "192.0.2.7")
        assert actors.acting().kind == "visitor"
    assert actors.acting().kind == "desk"


def test_a_command_is_of_the_account_that_runs_it_whatever_its_environment_says(monkeypatch):
    for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody-else")
    assert actors.command_line() == actors.Actor("command", pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: {}[number])
    assert actors.command_line().name == f"uid {os.getuid()}"
