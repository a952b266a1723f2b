"""Invitations, accounts that are closed and opened again, who leads."""

from __future__ import annotations

import concurrent.futures
from html import unescape

import pytest
from sqlalchemy import select, update

from include.review_desk.people.sessions import hash_token
from include.review_desk.storage import schema
from tests.review_desk.people.commands import invite, run
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD, Reviewer
from tests.support.servers import wait_for

from .browser import Browser, field, problem


def test_an_invitation_makes_one_account_and_signs_in(both_sites):
    site = both_sites
    flow = site.make_flow()
    loop = flow.start()
    path, name = invite(site, team=flow.team), unique("person")
    with Browser(site.url) as browser:
        page = browser.get(path)
        assert page.status_code == 200
        assert flow.team in page.text
        assert 'autocomplete="new-password"' in page.text
        assert browser.get(path).status_code == 200, "looking does not use it up"
        joined = browser.submit(path, name=name, password=PASSWORD)
        assert (joined.status_code, joined.headers["location"]) == (303, "/")
        assert name in browser.get("/answers").text
    assert Reviewer(site.url, name).next()["loop"] == loop
    with Browser(site.url) as late:
        gone = late.get(path)
        assert gone.status_code == 410
        assert "was used or has expired" in problem(gone)


def test_an_invitation_serves_once_however_many_use_it_at_once(both_sites):
    site = both_sites
    path = invite(site)
    names = [unique("person") for _ in range(4)]

    def join(name: str) -> int:
        with Browser(site.url) as browser:
            form = {"csrf": csrf[name], "name": name, "password": PASSWORD}
            browser.cookies.set("desk_visitor", cookies[name])
            return browser.post(path, data=form).status_code

    csrf, cookies = {}, {}
    for name in names:
        with Browser(site.url) as browser:
            csrf[name] = browser.csrf(path)
            cookies[name] = str(browser.cookies["desk_visitor"])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(join, names))
    assert statuses == [303, 410, 410, 410]
    workers = schema.workers
    with site.database.read() as connection:
        made = connection.scalars(select(workers.c.name).where(workers.c.name.in_(names))).all()
    assert len(made) == 1


def test_a_wrong_try_keeps_the_invitation(site, person):
    path = invite(site)
    with Browser(site.url) as browser:
        taken = browser.submit(path, name=person, password=PASSWORD)
        assert (taken.status_code, person in problem(taken)) == (409, True)
        short = browser.submit(path, name="ada", password="short")
        assert (short.status_code, field(short.text, "csrf") != "") == (400, True)
        assert 'value="ada"' in short.text
        assert "8 to 1024" in problem(short)
        assert "short" not in short.text.replace(problem(short), "")
        assert browser.submit(path, name=" ", password=PASSWORD).status_code == 400
        assert browser.post(path, data={"name": unique("x"), "password": PASSWORD}).status_code == 403
        assert browser.submit(path, name=unique("person"), password=PASSWORD).status_code == 303
    Reviewer(site.url, person)


def test_a_preset_name_cannot_be_changed(site):
    name, other = unique("preset"), unique("other")
    path = invite(site, "--name", name, "--lead")
    with Browser(site.url) as browser:
        assert f'value="{name}"' in browser.get(path).text
        assert browser.submit(path, name=other, password=PASSWORD).status_code == 303
    Reviewer(site.url, name)
    listing = run("list-workers", "--database", site.database_url).stdout
    line = next(line for line in listing.splitlines() if line.startswith(name))
    assert "*" in line.split("\t")[1]
    assert other not in listing


def test_an_invitation_expires_and_is_not_readable_in_the_database(site):
    path = invite(site, "--hours", "1")
    token = path.removeprefix("/join/")
    invitations = schema.invitations
    mine = invitations.c.token_sha256 == hash_token(token)
    with site.database.write() as connection:
        row = connection.execute(select(invitations).where(mine)).one()
        assert row.expires_ms - row.created_ms == 3_600_000
        assert token not in str(row)
        connection.execute(update(invitations).where(mine).values(expires_ms=row.created_ms))
    with Browser(site.url) as browser:
        assert browser.get(path).status_code == 410
        assert browser.get("/join/" + "x" * 43).status_code == 410
    assert token not in site.desk.log.read_text()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--hours", "0"), "1 to 720 hours"),
        (("--name", " a"), "name must be"),
        (("--team", "-x-"), "team name"),
        (("--public-url", "desk.example"), "public URL"),
    ],
)
def test_a_wrong_invitation_is_one_sentence(site, options: tuple[str, ...], part: str):
    basic = ("--database", site.database_url, "--team", "t", "--public-url", site.url)
    result = run("invite", *basic, *(f"{options[0]}={options[1]}",))
    assert (result.returncode, part in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def test_inviting_a_name_that_is_taken_is_refused(site, person):
    result = run(
        *("invite", "--database", site.database_url, "--team", "t", "--name", person),
        *("--public-url", site.url),
    )
    assert result.returncode == 2
    assert "add-worker" in result.stderr


def test_a_lead_invites_from_the_overview_and_nobody_else_does(site):
    team, lead, member = unique("team"), unique("lead"), unique("member")
    database = ("--database", site.database_url, "--team", team, "--password-stdin")
    assert run("add-worker", *database, "--name", lead, "--lead", stdin=PASSWORD).returncode == 0
    site.add_worker(team, member)
    with Browser(site.url) as browser:
        browser.sign_in(member, PASSWORD)
        refused = browser.submit("/overview/invitations", page="/account", team=team)
        assert (refused.status_code, "lead the team" in problem(refused)) == (403, True)
    with Browser(site.url) as browser:
        browser.sign_in(lead, PASSWORD)
        assert 'href="/overview"' in browser.get("/account").text
        assert browser.submit("/overview/invitations", page="/account", team="other").status_code == 403
        made = browser.submit("/overview/invitations", page="/account", team=team)
        assert made.status_code == 200
        link = unescape(made.text.split('id="link" value="')[1].split('"')[0])
    with Browser(site.url) as browser:
        path = link.removeprefix(site.url)
        assert browser.submit(path, name=unique("new"), password=PASSWORD).status_code == 303


def test_a_closed_account_ends_its_sessions_and_gives_its_tasks_back(both_sites):
    site = both_sites
    flow = site.make_flow()
    loops = [flow.start(), flow.start()]
    leaver, stayer = flow.reviewer(), flow.reviewer()
    assert leaver.answer(leaver.next())[0] == 200
    held = leaver.next()
    assert held["loop"] == loops[1]
    assert stayer.next() is None
    remove = ("remove-worker", "--database", site.database_url, "--name", leaver.name)
    result = run(*remove)
    assert (result.returncode, result.stdout.split()[0]) == (0, "Closed")
    assert leaver.call("/worker/tasks/next")[0] == 401
    assert leaver.answer(held)[0] == 401
    with pytest.raises(AssertionError, match="closed"):
        Reviewer(site.url, leaver.name)
    with pytest.raises(AssertionError, match="do not fit"):
        Reviewer(site.url, leaver.name, "wrong")
    assert wait_for(stayer.next)["loop"] == loops[1]
    assert flow.ended(loops[0])["HumanLoopStatus"] == "Completed", "the answer stays"
    assert "already" in run(*remove).stdout
    site.add_worker(flow.team, leaver.name)
    Reviewer(site.url, leaver.name)


def test_closing_an_account_that_nobody_has_is_one_sentence(site):
    result = run("remove-worker", "--database", site.database_url, "--name", "nobody at all")
    assert (result.returncode, "list-workers" in result.stderr) == (2, True)


def test_a_new_password_ends_the_sessions_of_the_old_one(site, person):
    team = unique("team")
    session = Reviewer(site.url, person)
    site.add_worker(team, person)
    assert session.call("/worker/queue", method="GET")[0] == 200, "the same password again"
    site.add_worker(team, person, "another password")
    assert session.call("/worker/queue", method="GET")[0] == 401
    Reviewer(site.url, person, "another password")


def test_whoever_led_a_team_does_not_come_back_by_an_invitation(site):
    team, lead = unique("team"), unique("lead")
    add = ("add-worker", "--database", site.database_url, "--team", team, "--password-stdin")
    assert run(*add, "--name", lead, "--lead", stdin=PASSWORD).returncode == 0
    kept, elsewhere = invite(site, team=team), invite(site)
    closed = run("remove-worker", "--database", site.database_url, "--name", lead)
    assert (closed.returncode, "Withdrew 1 " in closed.stdout) == (0, True)
    with Browser(site.url) as browser:
        assert browser.get(kept).status_code == 410
        assert browser.get(elsewhere).status_code == 200


def test_the_database_may_stand_in_the_environment_where_ps_does_not_show_it(site, person):
    assert person in run("list-workers", DESK_DATABASE=str(site.database_url)).stdout
    given = run("list-workers", "--database", str(site.database_url), DESK_DATABASE="sqlite:////none/x.db")
    assert person in given.stdout, "the option goes first"
    assert "DESK_DATABASE" in run("list-workers", DESK_DATABASE="").stderr
