"""Signing in with a password on the page: cookies, CSRF, where it leads, how often one may guess."""

from __future__ import annotations

import pytest

from tests.support.desk import unique
from tests.support.reviewer import PASSWORD, Reviewer

from .browser import Browser, field, problem


def test_a_person_signs_in_works_and_signs_out(site, browser, person):
    asked = browser.get("/answers")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fanswers")
    page = browser.get(asked.headers["location"])
    assert field(page.text, "next") == "/answers"
    done = browser.sign_in(person, PASSWORD, next="/answers")
    assert (done.status_code, done.headers["location"]) == (303, "/answers")
    assert person in browser.get("/answers").text
    assert browser.get("/sign-in?next=/answers").headers["location"] == "/answers"
    token = browser.session
    out = browser.submit("/sign-out", page="/answers")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert browser.session is None
    with Browser(site.url, cookies={"desk_session": token}) as thief:
        assert thief.get("/answers").status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser, person):
    given = browser.sign_in(person, PASSWORD).headers["set-cookie"]
    assert given.startswith("desk_session=")
    assert "HttpOnly" in given
    assert "samesite=lax" in given.lower()
    assert "Domain" not in given
    assert browser.get("/answers").headers["cache-control"] == "no-store"


def test_a_wrong_password_is_one_sentence_and_the_name_stays(browser, person):
    wrong = browser.sign_in(person, "not the password", next="/answers")
    nobody = browser.sign_in(unique("nobody"), PASSWORD)
    assert (wrong.status_code, nobody.status_code) == (401, 401)
    assert problem(wrong) == problem(nobody) == "Name and password do not fit."
    assert field(wrong.text, "name") or f'value="{person}"' in wrong.text
    assert field(wrong.text, "next") == "/answers"
    assert "not the password" not in wrong.text
    assert browser.session is None


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "\u202eadA", "a\x00b", "x" * 5000, ""])
def test_any_name_is_refused_politely_and_shown_as_text(browser, name: str):
    refused = browser.sign_in(name, PASSWORD)
    assert refused.status_code == 401
    assert "<script>alert" not in refused.text


def test_guessing_is_slowed_down_on_page_and_worker_api_together(site, person):
    with Browser(site.url) as browser:
        for _ in range(4):
            assert browser.sign_in(person, "wrong").status_code == 401
    for _ in range(4):
        with pytest.raises(AssertionError, match="do not fit"):
            Reviewer(site.url, person, "wrong")
    with Browser(site.url) as browser:
        refused = browser.sign_in(person, PASSWORD)
        assert refused.status_code == 429
        assert "Too many failed sign-ins" in problem(refused)
        assert 0 < int(refused.headers["retry-after"]) <= 300
        # A made-up header does not make somebody else of us.
        assert (
            browser.submit(
                "/sign-in", name=person, password=PASSWORD, headers={"X-Forwarded-For": "192.0.2.7"}
            ).status_code
            == 429
        )


def test_a_session_that_was_there_before_is_not_taken_over(site, person):
    other = Reviewer(site.url, person)
    with Browser(site.url, cookies={"desk_session": "planted"}) as browser:
        assert browser.sign_in(person, PASSWORD).status_code == 303
        assert browser.cookies.get("desk_session", domain="127.0.0.1") not in ("planted", other.token, None)
    assert other.call("/worker/tasks/next")[0] == 204


def test_signing_in_anew_ends_the_session_before(site, browser, signed_in, person):
    before = signed_in.session
    page = signed_in.get("/sign-in")
    assert page.status_code == 303
    signed_in.cookies.delete("desk_session")
    token = signed_in.csrf("/sign-in")
    signed_in.cookies.set("desk_session", str(before), domain="127.0.0.1")
    data = {"csrf": token, "name": person, "password": PASSWORD}
    assert signed_in.post("/sign-in", data=data).status_code == 303
    with Browser(site.url, cookies={"desk_session": str(before)}) as old:
        assert old.get("/answers").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        " /answers",
        "/sign-out",
        "answers",
        "",
    ],
)
def test_signing_in_leads_nowhere_but_into_the_desk(browser, person, target: str):
    assert field(browser.get("/sign-in", params={"next": target}).text, "next") == "/"
    assert browser.sign_in(person, PASSWORD, next=target).headers["location"] == "/"


def test_the_sign_in_form_must_come_from_our_own_page(site, browser, person):
    good = {"name": person, "password": PASSWORD}
    token = browser.csrf("/sign-in")
    with Browser(site.url) as other:
        foreign_token = other.csrf("/sign-in")
    for csrf in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": foreign_token}):
        refused = browser.post("/sign-in", data=good | csrf)
        assert refused.status_code == 403
        assert "reload it" in problem(refused)
    with Browser(site.url) as without_cookie:
        assert without_cookie.post("/sign-in", data=good | {"csrf": token}).status_code == 403
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": site.url.replace("http", "ftp")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": site.url},
    ):
        refused = browser.post("/sign-in", data=good | {"csrf": token}, headers=headers)
        assert refused.status_code == 403
        assert "another site's page" in refused.json()["error"]
    own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/sign-in", data=good | {"csrf": token}, headers=own).status_code == 303


def test_what_a_session_does_needs_its_own_token(site, signed_in):
    token = signed_in.csrf("/account")
    with Browser(site.url) as other:
        visitor = other.csrf("/sign-in")
    for path in ("/sign-out", "/account/sessions", "/account/password", "/overview/invitations"):
        for csrf in ({"other": "x"}, {"csrf": "x"}, {"csrf": visitor}):
            assert signed_in.post(path, data=csrf).status_code == 403
        foreign = {"Origin": "https://evil.example"}
        assert signed_in.post(path, data={"csrf": token}, headers=foreign).status_code == 403
    assert signed_in.get("/answers").status_code == 200
    fetch = {"X-CSRF-Token": token, "Origin": site.url}
    assert signed_in.post("/worker/tasks/next", headers=fetch).status_code == 204
    assert signed_in.post("/worker/tasks/next", headers=fetch | {"X-CSRF-Token": ""}).status_code == 403
    assert signed_in.post("/worker/tasks/next", headers=fetch | {"Origin": "null"}).status_code == 403


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"name=%ff%fe&password=x", "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=b" % number for number in range(1000)), "application/x-www-form-urlencoded"),
        (b"name=" + b"x" * 200_000, "application/x-www-form-urlencoded"),
        (b'{"name": "a"}', "application/json"),
        (b"", ""),
    ],
)
def test_a_damaged_form_is_one_sentence(browser, content: bytes, kind: str):
    refused = browser.post("/sign-in", content=content, headers={"Content-Type": kind})
    assert refused.status_code in (400, 403)
    assert problem(refused).endswith(".")


def test_the_account_page_lists_sessions_and_ends_the_others(site, signed_in, person):
    other = Reviewer(site.url, person)
    page = signed_in.get("/account").text
    assert (page.count("this one"), page.count("another one")) == (1, 1)
    assert signed_in.submit("/account/sessions", page="/account").status_code == 303
    assert other.call("/worker/tasks/next")[0] == 401
    assert signed_in.get("/account").status_code == 200


def test_a_password_is_changed_by_who_knows_the_old_one(site, signed_in, person):
    other = Reviewer(site.url, person)
    change = {"page": "/account", "password": "another password"}
    assert signed_in.submit("/account/password", **change, old="wrong").status_code == 401
    short = signed_in.submit("/account/password", page="/account", old=PASSWORD, password="short")
    assert (short.status_code, problem(short)) == (400, "The password must have 8 to 1024 characters.")
    assert signed_in.submit("/account/password", **change, old=PASSWORD).status_code == 303
    assert other.call("/worker/tasks/next")[0] == 401
    assert signed_in.get("/account").status_code == 200
    Reviewer(site.url, person, "another password")
