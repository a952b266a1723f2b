"""The second factor: set up on the account page, asked for at every sign-in, each code good once."""

from __future__ import annotations

import base64
import re
import time

import pytest
from sqlalchemy import select, update

from include.review_desk.errors import InvalidRequest, NotSignedIn
from include.review_desk.people import second_factor, totp
from include.review_desk.people.desk_key import DeskKey
from include.review_desk.people.sessions import Worker
from include.review_desk.storage import schema
from tests.review_desk.in_process import clock, desk, sign_in
from tests.support.desk import Site, unique
from tests.support.reviewer import PASSWORD, Reviewer

from .browser import Browser, problem
from .commands import row, run

__all__ = ["clock", "desk"]

# RFC 6238, appendix B, of its SHA-1 rows: the last six of the eight digits.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_codes_are_those_of_the_standard(seconds: int, code: str):
    assert totp.code_at(RFC_SECRET, seconds // 30) == code
    assert totp.step_of(RFC_SECRET, code, seconds * 1000) == seconds // 30
    for drift, counts in ((-60, False), (-30, True), (30, True), (60, False)):
        assert (totp.step_of(RFC_SECRET, code, (seconds + drift) * 1000) is not None) == counts


def test_the_link_is_one_that_apps_read():
    link = totp.app_link(RFC_SECRET, "Ada: lead", "desk.example:5800")
    assert link == (
        "otpauth://totp/Review%20Desk%20desk.example%205800:Ada%20%20lead"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Review%20Desk%20desk.example%205800"
    )


class App:
    """A person's authenticator app."""

    def __init__(self, page: str) -> None:
        shown = re.search(r'id="secret">([A-Z2-7 ]+)<', page)
        assert shown, page
        self.secret = base64.b32decode(shown[1].replace(" ", ""))

        self.step = 0
        self.first = self.fresh()

    def fresh(self) -> str:
        """A code that was not used before: the present one, then the next."""
        self.step = max(int(time.time()) // 30, self.step + 1)
        return totp.code_at(self.secret, self.step)


def set_up(browser: Browser) -> tuple[App, list[str]]:
    """Turn it on as the page asks; returns the app and the recovery codes."""
    page = browser.submit("/account/second-factor", page="/account", password=PASSWORD)
    assert page.status_code == 200
    app = App(page.text)
    done = browser.submit("/account/second-factor/confirm", page="/account", code=app.first)
    assert done.status_code == 200
    return app, re.findall(r"<li><code>([A-Z2-7\-]{19})</code>", done.text)


def enter(site: Site, name: str, *codes: str) -> list[int]:
    """Sign in at a new browser with the password and these codes, one after the other; the statuses."""
    with Browser(site.url) as browser:
        asked = browser.sign_in(name, PASSWORD, next="/answers")
        assert (asked.status_code, "Enter a code" in asked.text) == (200, True)
        assert browser.session is None
        assert browser.get("/answers").status_code == 303
        statuses = []
        for code in codes:
            data = {"csrf": browser.csrf("/sign-in"), "code": code, "next": "/answers"}
            answer = browser.post("/sign-in/code", data=data)
            statuses.append(answer.status_code)
            if answer.status_code == 303:
                assert answer.headers["location"] == "/answers"
                assert browser.get("/answers").status_code == 200
        return statuses


def test_a_password_alone_signs_in_no_more(site, signed_in, person):
    elsewhere = Reviewer(site.url, person)
    app, recovery = set_up(signed_in)
    assert (len(recovery), len(set(recovery))) == (10, 10)
    assert elsewhere.call("/worker/tasks/next")[0] == 401
    assert "It is on" in signed_in.get("/account").text
    assert enter(site, person, "000000", app.fresh()) == [401, 303]
    with pytest.raises(AssertionError, match="second factor"):
        Reviewer(site.url, person)
    program = Reviewer(site.url, person, token="")
    given = {"name": person, "password": PASSWORD}
    assert program.call("/worker/sessions", given | {"code": recovery[0]})[0] == 200
    assert program.call("/worker/sessions", given | {"code": recovery[0]})[0] == 401


def test_a_code_serves_once(site, signed_in, person):
    app, recovery = set_up(signed_in)
    used = app.fresh()
    # The code that turned it on is used as well.
    assert enter(site, person, app.first, used) == [401, 303]
    assert enter(site, person, used) == [401]
    assert enter(site, person, recovery[3].lower().replace("-", " ")) == [303]
    assert enter(site, person, recovery[3]) == [401]
    assert "Recovery codes left: 9" in signed_in.get("/account").text


def test_codes_cannot_be_guessed(site, signed_in, person):
    _, recovery = set_up(signed_in)
    wrong = [f"{number:06}" for number in range(8)]
    statuses = enter(site, person, *wrong, recovery[0])
    assert set(statuses[:8]) <= {401, 303}
    assert statuses[8] == 429


def test_without_the_password_a_code_is_worth_nothing(site, signed_in, person):
    app, _ = set_up(signed_in)
    with Browser(site.url) as browser:
        refused = browser.submit("/sign-in/code", page="/sign-in", code=app.fresh())
        assert (refused.status_code, "sign in again" in problem(refused)) == (401, True)
        browser.cookies.set("desk_password_given", "WzEsImFkYSIsIngiXQ.aaaa.bbbb", domain="127.0.0.1")
        assert browser.submit("/sign-in/code", page="/sign-in", code=app.fresh()).status_code == 401
    with Browser(site.url) as browser:
        assert browser.sign_in(person, PASSWORD).status_code == 200
        assert browser.post("/sign-in/code", data={"code": app.fresh()}).status_code == 403


def test_what_the_right_password_began_ends_when_it_changes(site, signed_in, person):
    app, _ = set_up(signed_in)
    with Browser(site.url) as thief:
        assert thief.sign_in(person, PASSWORD).status_code == 200
        changed = signed_in.submit(
            "/account/password", page="/account", old=PASSWORD, password="another password"
        )
        assert changed.status_code == 303
        late = thief.submit("/sign-in/code", page="/sign-in", code=app.fresh())
        assert (late.status_code, problem(late)) == (401, "The password has changed: sign in again.")


def test_an_open_browser_does_not_suffice_to_set_it_up_or_turn_it_off(site, signed_in, person):
    refused = signed_in.submit("/account/second-factor", page="/account", password="wrong")
    assert (refused.status_code, problem(refused)) == (401, "The present password is not right.")
    assert signed_in.post("/account/second-factor", data={"password": PASSWORD}).status_code == 403
    app, recovery = set_up(signed_in)
    twice = signed_in.submit("/account/second-factor", page="/account", password=PASSWORD)
    assert (twice.status_code, "turn it off first" in problem(twice)) == (400, True)
    assert signed_in.submit("/account/second-factor/remove", page="/account", code="1").status_code == 401
    off = signed_in.submit("/account/second-factor/remove", page="/account", code=app.fresh())
    assert (off.status_code, off.headers["location"]) == (303, "/account?done=second-factor")
    Reviewer(site.url, person)
    assert recovery
    assert row(site, select(schema.recovery_codes).join(schema.workers).where(_is(person))) is None


def test_a_wrong_first_code_shows_the_same_key_again(signed_in):
    page = signed_in.submit("/account/second-factor", page="/account", password=PASSWORD).text
    wrong = signed_in.submit("/account/second-factor/confirm", page="/account", code="12345")
    assert (wrong.status_code, App(wrong.text).secret) == (400, App(page).secret)
    assert "The code is not right" in problem(wrong)
    assert "Set up" in signed_in.get("/account").text
    nothing = signed_in.submit("/account/second-factor/confirm", page="/account", code=App(page).first)
    assert nothing.status_code == 200
    again = signed_in.submit("/account/second-factor/confirm", page="/account", code=App(page).fresh())
    assert (again.status_code, "no second factor to confirm" in problem(again)) == (400, True)


def test_a_command_helps_who_has_lost_the_phone(site, signed_in, person):
    set_up(signed_in)
    reset = ("reset-second-factor", "--database", str(site.database_url), "--name")
    assert run(*reset, person).stdout == f"{person} signs in with the password alone.\n"
    Reviewer(site.url, person)
    assert run(*reset, person).stdout == f"{person} had no second factor.\n"
    assert "see list-workers" in run(*reset, unique("stranger")).stderr


def test_the_database_alone_makes_no_codes(site, signed_in, person):
    app, recovery = set_up(signed_in)
    [stored] = [row(site, select(schema.second_factors.c.secret).join(schema.workers).where(_is(person)))]
    assert totp.in_base32(app.secret) not in stored.secret
    for path in site.folder.glob("desk.db*"):
        content = path.read_bytes()
        assert app.secret not in content
        assert totp.in_base32(app.secret).encode() not in content
        assert recovery[0].encode() not in content


def test_a_desk_without_a_key_of_its_own_keeps_no_second_factor(desk):
    ada = sign_in(desk, "ada")
    with pytest.raises(
        InvalidRequest, match=r"cannot keep a second factor\. Say where the desk's own key is"
    ):
        second_factor.begin(desk, ada)


def test_with_another_desk_key_recovery_codes_still_help(desk, tmp_path, caplog):
    ada = sign_in(desk, "ada")
    object.__setattr__(desk, "key", DeskKey(tmp_path / "first.key"))
    secret = base64.b32decode(second_factor.begin(desk, ada).secret)
    step = desk.clock() // 30_000
    recovery = second_factor.confirm(desk, ada, totp.code_at(secret, step))
    other = DeskKey(tmp_path / "second.key")
    other.make()
    object.__setattr__(desk, "key", other)
    assert not _right(desk, ada, totp.code_at(secret, step + 1))
    assert "not the one it was made with" in caplog.text
    assert _right(desk, ada, recovery[0])


def test_whose_account_is_closed_gets_no_further_with_a_code(site, signed_in, person):
    app, _ = set_up(signed_in)
    with Browser(site.url) as browser:
        assert browser.sign_in(person, PASSWORD).status_code == 200
        closed = update(schema.workers).where(_is(person)).values(disabled_ms=1)
        with site.database.write() as connection:
            connection.execute(closed)
        late = browser.submit("/sign-in/code", page="/sign-in", code=app.fresh())
        assert (late.status_code, "closed" in problem(late)) == (401, True)


def _is(name: str):
    return schema.workers.c.name == name


def _right(desk, worker: Worker, code: str) -> bool:
    try:
        second_factor.check(desk, worker_id=worker.id, name=worker.name, code=code, address="here")
    except NotSignedIn:
        return False
    return True
