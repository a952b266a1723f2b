"""People leave a team, the lead of one, or the desk with their name; invitations are withdrawn."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData, select, update

from include.review_desk.errors import InvalidRequest
from include.review_desk.people import invitations, leaving, sessions, single_sign_on, workers
from include.review_desk.people.single_sign_on import Identity
from include.review_desk.storage import schema
from include.review_desk.work import housekeeping, tasks
from tests.review_desk.in_process import clock, desk, sign_in, start
from tests.review_desk.people.commands import Result, invite, run
from tests.support.desk import Flow, Site, unique
from tests.support.reviewer import PASSWORD, Reviewer
from tests.support.servers import wait_for

from .browser import Browser, problem

__all__ = ["clock", "desk"]


def command(site: Site, called: str, /, **options: str) -> Result:
    given = [f"--{option}={value}" for option, value in options.items()]
    return run(called, "--database", str(site.database_url), *given)


def lead_of(flow: Flow) -> str:
    name = unique("lead")
    add = ("add-worker", "--database", str(flow.site.database_url), "--team", flow.team, "--lead")
    assert run(*add, "--name", name, "--password-stdin", stdin=PASSWORD).returncode == 0
    return name


def workers_line(site: Site, name: str) -> str:
    lines = command(site, "list-workers").stdout.splitlines()
    return next(line for line in lines if line.startswith(f"{name}\t"))


def pseudonym(site: Site, name: str) -> str:
    workers = schema.workers
    with site.database.read() as connection:
        return str(connection.scalar(select(workers.c.public_id).where(workers.c.name == name)))


def test_who_leaves_one_team_keeps_the_others_and_gives_its_tasks_back(both_sites):
    site = both_sites
    left, kept = site.make_flow(), site.make_flow()
    leaver, stayer = left.reviewer(), left.reviewer()
    site.add_worker(kept.team, leaver.name)
    loops = [left.start(), left.start()]
    assert leaver.answer(leaver.next())[0] == 200
    held = leaver.next()
    other = kept.start()
    result = command(site, "remove-from-team", team=left.team, name=leaver.name)
    assert (result.returncode, left.team in result.stdout) == (0, True)
    # Without a new sign-in: no page, no fresh links, no answer.
    assert leaver.call(f"/worker/tasks/{held['task']}", method="GET")[0] == 404
    assert leaver.answer(held)[0] == 404
    assert leaver.next()["loop"] == other
    assert wait_for(stayer.next)["loop"] == loops[1]
    assert left.ended(loops[0])["HumanLoopStatus"] == "Completed", "the answer stays"
    again = command(site, "remove-from-team", team=left.team, name=leaver.name)
    assert (again.returncode, "is not in the team" in again.stderr) == (2, True)
    site.add_worker(left.team, leaver.name)
    assert left.team in workers_line(site, leaver.name)


@pytest.mark.parametrize("called", ["remove-from-team", "demote-lead"])
def test_a_team_or_person_that_there_is_not_is_one_sentence(site, person, called: str):
    for options, part in (
        ({"team": "no-such-team", "name": person}, "no team"),
        ({"team": site.make_flow().team, "name": "nobody at all"}, "no account"),
    ):
        result = command(site, called, **options)
        assert (result.returncode, part in result.stderr, result.stderr.count("\n")) == (2, True, 1)


def test_a_lead_who_is_demoted_stays_a_member(site, flow):
    lead = lead_of(flow)
    link, elsewhere = invite(site, team=flow.team), invite(site)
    with Browser(site.url) as browser:
        browser.sign_in(lead, PASSWORD)
        assert browser.get(f"/overview?team={flow.team}").status_code == 200
        result = command(site, "demote-lead", team=flow.team, name=lead)
        assert (result.returncode, "Withdrew 1 " in result.stdout) == (0, True)
        assert browser.get(f"/overview?team={flow.team}").status_code == 403, "the same session"
        assert browser.get(link).status_code == 410
        assert browser.get(elsewhere).status_code == 200
    flow.start()
    assert Reviewer(site.url, lead).next() is not None
    assert "does not lead" in command(site, "demote-lead", team=flow.team, name=lead).stderr


def test_an_invitation_that_was_withdrawn_is_gone(site):
    team = unique("team")
    path = invite(site, "--name", unique("ada"), team=team)
    listed = command(site, "list-invitations").stdout
    (line,) = [line for line in listed.splitlines() if team in line]
    identity = line.split("\t")[0]
    assert path.removeprefix("/join/") not in listed
    withdraw = ("withdraw-invitation", "--database", str(site.database_url), identity)
    assert run(*withdraw).returncode == 0
    with Browser(site.url) as browser:
        assert browser.get(path).status_code == 410
    assert team not in command(site, "list-invitations").stdout
    assert "no open invitation" in run(*withdraw).stderr


def test_a_lead_takes_a_member_out_and_what_they_held_is_on_offer_at_once(both_sites):
    flow = both_sites.make_flow()
    lead, member, stayer = lead_of(flow), flow.reviewer(), flow.reviewer()
    loop = flow.start()
    member.next()
    who = pseudonym(both_sites, member.name)
    with Browser(both_sites.url) as browser:
        browser.sign_in(lead, PASSWORD)
        page = f"/overview/people/remove?team={flow.team}&worker={who}"
        assert member.name in browser.get(page).text
        done = browser.submit("/overview/people/remove", page=page, team=flow.team, worker=who)
        assert done.status_code == 303
        assert stayer.next()["loop"] == loop
        assert "was taken out" in browser.get(done.headers["location"]).text
        assert member.name not in browser.get(f"/overview/people?team={flow.team}").text
        again = browser.submit("/overview/people/remove", page="/account", team=flow.team, worker=who)
        assert (again.status_code, "not in the team" in problem(again)) == (400, True)


def test_leads_can_do_it_in_their_own_teams_only_and_not_to_each_other(site, flow, make_flow):
    other = make_flow()
    lead, second, member = lead_of(flow), lead_of(flow), flow.reviewer()
    stranger, theirs = other.reviewer(), invite(site, team=other.team)
    open_ones = command(site, "list-invitations").stdout.splitlines()
    (theirs_id,) = [line.split("\t")[0] for line in open_ones if other.team in line]
    attempts = [
        (
            lead,
            "/overview/people/remove",
            {"team": other.team, "worker": pseudonym(site, stranger.name)},
            403,
        ),
        (lead, "/overview/people/remove", {"team": flow.team, "worker": pseudonym(site, stranger.name)}, 400),
        (lead, "/overview/people/remove", {"team": flow.team, "worker": pseudonym(site, second)}, 403),
        (lead, "/overview/people/remove", {"team": flow.team, "worker": pseudonym(site, lead)}, 403),
        (lead, "/overview/invitations/withdraw", {"team": other.team, "invitation": theirs_id}, 403),
        (lead, "/overview/invitations/withdraw", {"team": flow.team, "invitation": theirs_id}, 400),
        (member.name, "/overview/people/remove", {"team": flow.team, "worker": pseudonym(site, lead)}, 403),
    ]
    for who, path, fields, status in attempts:
        with Browser(site.url) as browser:
            browser.sign_in(who, PASSWORD)
            assert browser.submit(path, page="/account", **fields).status_code == status, (who, fields)
            assert browser.post(path, data=fields).status_code == 403, "without the CSRF token"
    with Browser(site.url) as browser:
        assert browser.get(theirs).status_code == 200
        browser.sign_in(member.name, PASSWORD)
        for path in ("/overview/people", "/overview/trail", "/overview/trail.jsonl"):
            assert browser.get(path).status_code == 403
            assert browser.get(f"{path}?team={other.team}").status_code == 403
    for name, team in ((stranger.name, other.team), (second, flow.team), (lead, flow.team)):
        assert team in workers_line(site, name)


def test_names_are_shown_as_text(site, flow):
    lead, name = lead_of(flow), f"<b>{unique('ada')}</b>"
    site.add_worker(flow.team, name)
    invite(site, f"--name={name[:-4]}", team=flow.team)
    with Browser(site.url) as browser:
        browser.sign_in(lead, PASSWORD)
        for path in ("people", "trail", f"people/remove?worker={pseudonym(site, name)}"):
            page = browser.get(f"/overview/{path}").text
            assert ("<b>ada" in page, "&lt;b&gt;ada" in page) == (False, True), path


def test_a_lead_withdraws_an_invitation(site, flow):
    lead = lead_of(flow)
    path = invite(site, team=flow.team)
    with Browser(site.url) as browser:
        browser.sign_in(lead, PASSWORD)
        people = browser.get(f"/overview/people?team={flow.team}").text
        identity = people.split('name="invitation" value="')[1].split('"')[0]
        sent = {"team": flow.team, "invitation": identity}
        done = browser.submit("/overview/invitations/withdraw", page="/overview/people", **sent)
        assert done.status_code == 303
        assert browser.get(path).status_code == 410
        assert "None." in browser.get(f"/overview/people?team={flow.team}").text


def test_a_group_does_not_bring_back_who_was_taken_out(desk):
    person = Identity("https://issuer", "subject", "Ada", frozenset({"team"}))

    def enter() -> list[str]:
        single_sign_on.sign_in(desk, person)
        members, teams = schema.team_members, schema.workteams
        query = select(teams.c.name).join(members, members.c.team_id == teams.c.id)
        with desk.database.read() as connection:
            return list(connection.scalars(query))

    invitations.create(desk.database, 1, team="team")
    assert enter() == ["team"]
    leaving.remove_from_team(desk.database, 1, team="team", name="Ada")
    assert enter() == []
    workers.add_worker(desk.database, 1, team="team", name="Ada", password=None)
    assert enter() == ["team"]


def test_a_group_that_is_gone_gives_the_tasks_back(desk):
    invitations.create(desk.database, 1, team="team")
    start(desk)

    def enter(*groups: str) -> sessions.Worker:
        person = Identity("https://issuer", "subject", "Ada", frozenset(groups))
        return sessions.authenticate(desk, single_sign_on.sign_in(desk, person).token)

    assert tasks.next_task(desk, enter("team")) is not None
    stayer = sign_in(desk, "bob")
    enter()
    housekeeping.end_leases(desk)
    assert tasks.next_task(desk, stayer).loop == "loop"


def every_text(site: Site) -> str:
    """All that the database holds, as text."""
    metadata = MetaData()
    with site.database.read() as connection:
        metadata.reflect(connection)
        return "".join(
            repr(tuple(row))
            for table in metadata.tables.values()
            for row in connection.execute(select(table))
        )


def test_a_name_that_is_erased_is_nowhere_and_the_answers_stay(both_sites):
    site = both_sites
    flow = site.make_flow()
    name, password = unique("grace-hopper"), unique("password")
    path = invite(site, f"--name={name}", "--lead", team=flow.team)
    with Browser(site.url) as browser:
        assert browser.submit(path, name=name, password=password).status_code == 303
    who, person = pseudonym(site, name), Reviewer(site.url, name, password)
    loop, held = flow.start(), flow.start()
    assert person.answer(person.next())[0] == 200
    assert person.next()["loop"] == held
    flow.ended(loop)
    stayer = flow.reviewer()
    assert "--yes" in command(site, "erase-worker", name=name).stderr
    assert person.call("/worker/queue", method="GET")[0] == 200
    erase = ("erase-worker", "--database", str(site.database_url), "--yes", "--name")
    result = run(*erase, name)
    assert (result.returncode, who in result.stdout, name in result.stdout) == (0, True, False)
    assert name not in every_text(site)
    assert name not in run("audit-trail", "--database", str(site.database_url)).stdout
    assert f"person erased-{who}" in run("audit-trail", "--database", str(site.database_url)).stdout
    (answer,) = flow.output(loop)["humanAnswers"]
    assert answer["workerId"] == who
    assert person.call("/worker/queue", method="GET")[0] == 401
    with pytest.raises(AssertionError, match="do not fit"):
        Reviewer(site.url, name, password)
    assert wait_for(stayer.next)["loop"] == held
    assert run(*erase, f"erased-{who}").returncode == 0, "a second time changes nothing"
    with pytest.raises(InvalidRequest, match="was erased"):
        workers.add_worker(site.database, 1, team=flow.team, name=f"erased-{who}", password=password)
    assert "erased 20" in workers_line(site, f"erased-{who}")
    site.add_worker(flow.team, name)
    assert pseudonym(site, name) != who, "the person who has the name now is another one"


def test_who_signed_in_elsewhere_is_a_new_person_after_their_name_was_erased(desk):
    person = Identity("https://issuer", "subject", "Ada", frozenset())
    single_sign_on.sign_in(desk, person)
    erased = leaving.erase_worker(desk.database, 1, "Ada")
    assert single_sign_on.sign_in(desk, person).worker_name == "Ada"
    with desk.database.read() as connection:
        rows = connection.execute(select(schema.workers).order_by(schema.workers.c.id)).all()
    assert [(row.name, row.oidc_subject) for row in rows] == [(erased.name, None), ("Ada", "subject")]


def test_nobody_can_keep_a_name_from_being_erased(desk):
    sign_in(desk, "ada")
    who = leaving.erase_worker(desk.database, 1, "ada").pseudonym
    workers.add_worker(desk.database, 1, team="team", name="bob", password=PASSWORD)
    with desk.database.write() as connection:
        connection.execute(update(schema.workers).where(schema.workers.c.name == "bob").values(public_id="b"))
        # As an older desk allowed.
        workers.insert_worker(connection, 1, name="erased-b", password_hash="x")
    erased = leaving.erase_worker(desk.database, 1, "bob")
    assert (erased.pseudonym, erased.name.startswith("erased-b-")) == ("b", True)
    assert who != "b"


@pytest.mark.parametrize("name", ["erased-0123456789abcdef", "Erased-x"])
def test_no_one_joins_under_the_name_of_an_erased_account(desk, name):
    now_ms = desk.clock()
    with pytest.raises(InvalidRequest, match="are kept for accounts that were erased"):
        workers.add_worker(desk.database, now_ms, team="team", name=name, password=PASSWORD)
    with pytest.raises(InvalidRequest, match="are kept for accounts that were erased"):
        invitations.create(desk.database, now_ms, team="team", name=name)
    link = invitations.create(desk.database, now_ms, team="team").token
    with pytest.raises(InvalidRequest, match="are kept for accounts that were erased"):
        invitations.accept(desk, link, name=name, password=PASSWORD)
    invitations.accept(desk, link, name="ada", password=PASSWORD)
    session = single_sign_on.sign_in(desk, Identity("issuer", "subject", name, frozenset()))
    assert sessions.authenticate(desk, session.token).name == "reviewer"
