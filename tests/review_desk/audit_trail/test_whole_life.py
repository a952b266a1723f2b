"""The trail of a desk on which everything was done once: who, what, where from, and no secret at all."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from include.review_desk.audit_trail import actors, entries
from include.review_desk.audit_trail.actions import Action
from include.review_desk.clock import as_iso, system_clock
from include.review_desk.people import api_keys, totp
from include.review_desk.people.sessions import hash_token
from include.review_desk.storage import schema
from tests.review_desk.people.browser import Browser
from tests.review_desk.people.commands import Result, invite, run
from tests.support.desk import ACCESS_KEY, SECRET_KEY, Site, unique
from tests.support.reviewer import PASSWORD, Reviewer, box, boxes_answer

WRONG = "a password typed wrong"
TYPED_AS_NAME = "a password typed as the name"
NEW_PASSWORD = "another long password"
REASON = "a reason that the reviewer typed"
# Long enough not to be found by chance in a number of the trail.
ANSWERS = ("4711.40625", "4712.40625", "a label of the input")


class Life:
    """What was done, the secrets that were used for it, and the trail of it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.database = ("--database", str(site.database_url))
        self.since_ms = system_clock()
        self.on_sqlite = site.database.engine.dialect.name == "sqlite"
        self.secrets = {PASSWORD, WRONG, TYPED_AS_NAME, NEW_PASSWORD, REASON, SECRET_KEY}
        self.lead, self.ada = unique("lead"), unique("ada")
        self.flow = site.make_flow()
        self.team = self.flow.team
        self.command("add-worker", "--team", self.team, "--name", self.lead, "--lead", "--password-stdin")
        self.invitations()
        self.keys()
        self.answers()
        self.deletions()
        self.roles()
        if self.on_sqlite:
            self.second_factor()

    def command(self, *arguments: str) -> Result:
        result = run(arguments[0], *self.database, *arguments[1:], stdin=PASSWORD)
        assert result.returncode == 0, result.stderr
        return result

    @contextlib.contextmanager
    def browser(self, name: str) -> Iterator[Browser]:
        with Browser(self.site.url) as browser:
            assert browser.sign_in(name, PASSWORD).status_code == 303
            self.secrets |= {str(value) for value in browser.cookies.values()}
            self.secrets |= {hash_token(str(browser.session)), browser.csrf("/account")}
            yield browser

    def invitations(self) -> None:
        path, withdrawn = invite(self.site, team=self.team), invite(self.site, team=self.team)
        self.secrets |= {link.removeprefix("/join/") for link in (path, withdrawn)}
        with Browser(self.site.url) as browser:
            assert browser.submit(path, name=self.ada, password=PASSWORD).status_code == 303
            self.secrets.add(str(browser.session))
        for name, password in ((self.ada, WRONG), (TYPED_AS_NAME, "")):
            with Browser(self.site.url) as browser:
                assert browser.sign_in(name, password).status_code == 401
        with self.browser(self.lead) as browser:
            made = browser.submit("/overview/invitations", page="/account", team=self.team).text
            self.secrets.add(unescape(made.split('id="link" value="')[1].split('"')[0]).rpartition("/")[2])
            people = browser.get("/overview/people").text
            identity = people.split('name="invitation" value="')[1].split('"')[0]
            sent = {"team": self.team, "invitation": identity}
            browser.submit("/overview/invitations/withdraw", page="/account", **sent)
            browser.get("/overview.json")
            browser.get("/overview/trail.jsonl")

    def keys(self) -> None:
        if not self.on_sqlite:
            # Those of other tests, made with another key of the desk.
            for key in api_keys.list_keys(self.site.database):
                api_keys.revoke_key(self.site.database, 1, key.access_key_id)
        # Where the SQLite desk has it by default: other tests make keys there, too.
        file = self.site.folder / "desk.db.key"
        options = ("--operations", "admin", "--any-team", "--any-bucket", "--secret-key", str(file))
        made = self.command("create-key", "--client", "a client", *options).stdout
        self.key, secret = re.findall("=(.+)", made)[:2]
        self.secrets.add(secret)
        self.command("revoke-key", self.key)

    def answers(self) -> None:
        self.loop = self.flow.start(labels=["RBC", "a label of the input"])
        person = Reviewer(self.site.url, self.ada)
        task = person.next()
        assert task is not None
        for method, left in (("POST", 4711.40625), ("PUT", 4712.40625)):
            content = boxes_answer([box(left=left)])
            path = f"/worker/tasks/{task['task']}/answer"
            status, said = person.call(path, {"answerContent": content, "correctable": True}, method)
            assert status == 200, said
        self.flow.start()
        declined = person.next()
        assert declined is not None
        person.decline(declined, REASON)
        self.secrets |= {person.token, task["task"], declined["task"], *ANSWERS}
        with self.browser(self.ada) as browser:
            changed = browser.submit(
                "/account/password", page="/account", old=PASSWORD, password=NEW_PASSWORD
            )
            assert changed.status_code == 303
            browser.submit("/account/sessions", page="/account")

    def second_factor(self) -> None:
        """Only the desk on SQLite has a key of its own, as those here are started."""
        name = unique("grace")
        self.command("add-worker", "--team", self.team, "--name", name, "--password-stdin")
        with self.browser(name) as browser:
            asked = browser.submit("/account/second-factor", page="/account", password=PASSWORD).text
            secret = re.findall(r'id="secret">([A-Z2-7 ]+)<', asked)[0]
            plain = base64.b32decode(secret.replace(" ", ""))
            code = totp.code_at(plain, system_clock() // 30_000)
            done = browser.submit("/account/second-factor/confirm", page="/account", code=code).text
            recovery = re.findall(r"<li><code>([A-Z2-7\-]{19})</code>", done)
        assert len(recovery) == 10
        with Browser(self.site.url) as browser:
            browser.sign_in(name, PASSWORD)
            data = {"csrf": browser.csrf("/sign-in"), "code": "wrong-code-of-app"}
            assert browser.post("/sign-in/code", data=data).status_code == 401
        self.secrets |= {secret, secret.replace(" ", ""), "wrong-code-of-app", *recovery}
        self.command("reset-second-factor", "--name", name)

    def deletions(self) -> None:
        self.stopped = self.flow.start()
        self.flow.a2i.stop_human_loop(HumanLoopName=self.stopped)
        self.flow.a2i.delete_human_loop(HumanLoopName=self.stopped)
        other = self.site.make_flow()
        self.deleted = (other.name, other.ui, other.team)
        sagemaker = self.site.client("sagemaker")
        sagemaker.update_workteam(WorkteamName=other.team, Description="changed")
        sagemaker.delete_flow_definition(FlowDefinitionName=other.name)
        sagemaker.delete_human_task_ui(HumanTaskUiName=other.ui)
        sagemaker.delete_workteam(WorkteamName=other.team)

    def roles(self) -> None:
        second = unique("second")
        self.command("add-worker", "--team", self.team, "--name", second, "--lead", "--password-stdin")
        self.command("demote-lead", "--team", self.team, "--name", second)
        self.command("remove-from-team", "--team", self.team, "--name", second)
        self.command("remove-worker", "--name", second)
        self.command("add-worker", "--team", self.team, "--name", second, "--password-stdin")
        self.command("erase-worker", "--name", second, "--yes")
        self.erased = second

    def acts(self) -> list[entries.Entry]:
        wanted = entries.Wanted(since_ms=self.since_ms)
        with self.site.database.read() as connection:
            return list(entries.read(connection, wanted))

    def one(self, action: Action, **members: Any) -> entries.Entry:
        found = [
            entry
            for entry in self.acts()
            if entry.action == action and all(getattr(entry, n) == v for n, v in members.items())
        ]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture(scope="module")
def life(both_sites: Site) -> Life:
    return Life(both_sites)


def test_everything_that_is_recorded_happened(life: Life):
    # Days are removed by the desk's clock, which a test of its own turns.
    elsewhere = {Action.TRAIL_TRIMMED}
    if not life.on_sqlite:
        elsewhere |= {Action.SECOND_FACTOR_SET, Action.SECOND_FACTOR_REMOVED}
    assert {entry.action for entry in life.acts()} == set(Action) - elsewhere


def test_the_trail_has_no_secret_and_no_name_and_no_answer(life: Life):
    with life.site.database.read() as connection:
        rows = connection.execute(select(schema.audit_trail)).all()
    text = "\n".join(repr(tuple(row)) for row in rows)
    assert len(rows) > 30
    assert [secret for secret in life.secrets if secret and secret in text] == []
    assert [name for name in (life.lead, life.ada, life.erased) if name in text] == []
    assert all(len(secret) > 6 for secret in life.secrets if secret)


def test_who_did_it_and_where_from(life: Life):
    stopped = life.one(Action.LOOP_STOPPED, object=f"loop/{life.stopped}")
    assert (stopped.actor, stopped.team, stopped.address) == (f"key {ACCESS_KEY}", life.team, "127.0.0.1")
    corrected = life.one(Action.ANSWER_CORRECTED, object=f"loop/{life.loop}")
    assert (corrected.actor_kind, corrected.actor_name) == ("person", life.ada)
    assert corrected.address == "127.0.0.1"
    made = life.one(Action.KEY_MADE)
    account = actors.command_line().name
    assert (made.actor, made.object, made.address) == (f"command {account}", f"key/{life.key}", None)
    failures = [
        entry
        for entry in life.acts()
        if entry.action == Action.SIGN_IN_FAILED and "word" in str(entry.object)
    ]
    assert [(e.actor, e.address, e.person.name if e.person else None) for e in failures] == [
        ("visitor", "127.0.0.1", life.ada),
        ("visitor", "127.0.0.1", None),
    ]
    flow, ui, team = life.deleted
    assert life.one(Action.FLOW_DELETED, object=f"flow-definition/{flow}").actor == f"key {ACCESS_KEY}"
    assert life.one(Action.TASK_UI_DELETED, object=f"human-task-ui/{ui}").actor == f"key {ACCESS_KEY}"
    assert life.one(Action.TEAM_DELETED, object=f"team/{team}").team is None
    withdrawn = [e for e in life.acts() if e.action == Action.INVITATION_WITHDRAWN]
    assert withdrawn[0].actor == f"person {life.lead}"


def test_the_command_shows_and_filters_it(life: Life):
    since = ("--since", as_iso(life.since_ms)[:-1])
    lines = life.command("audit-trail", *since).stdout.splitlines()
    assert len(lines) == len(life.acts())
    assert all(line.count("\t") == 6 for line in lines)
    stopped = life.command("audit-trail", *since, "--action", "loop-stopped").stdout
    assert stopped.split("\t")[1:4] == [f"key {ACCESS_KEY}", "loop-stopped", f"loop/{life.stopped}"]
    by_ada = life.command("audit-trail", *since, "--actor", life.ada, "--last", "1").stdout
    assert (by_ada.count("\n"), f"person {life.ada}" in by_ada) == (1, True)
    assert life.command("audit-trail", "--until", "2001-01-01").stdout == ""
    assert "signed-in" in life.command("audit-trail", "--team", life.team, *since).stdout
    assert "task-ui-deleted" not in life.command("audit-trail", "--team", life.team, *since).stdout
    exported = life.command("audit-trail", *since, "--json-lines").stdout.splitlines()
    acts = [json.loads(line) for line in exported]
    assert acts[-1]["action"] == "trail-exported", "the export itself"
    (made,) = [act for act in acts if act["action"] == "key-made"]
    assert made["actor"] == {"kind": "command", "name": actors.command_line().name}
    assert (made["object"], made["person"], made["address"]) == (f"key/{life.key}", None, None)
    assert set(made) == {"id", "time", "actor", "action", "object", "person", "team", "address"}
    used = next(act for act in acts if act["action"] == "invitation-used")
    assert used["person"]["name"] == life.ada
    assert re.fullmatch("[0-9a-f]{16}", used["person"]["worker"])


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--action", "no-act"), "signed-in, sign-in-failed"),
        (("--team", "no-such-team"), "There is no team"),
    ],
)
def test_a_filter_that_is_none_is_one_sentence(life: Life, options: tuple[str, str], part: str):
    result = run("audit-trail", *life.database, *options)
    assert (result.returncode, part in result.stderr, "Traceback" in result.stderr) == (2, True, False)


@pytest.mark.parametrize("options", [("--since", "yesterday"), ("--last", "0"), ("--until", "2026-13-01")])
def test_an_option_that_is_none_says_what_to_write(life: Life, options: tuple[str, str], capsys):
    with pytest.raises(SystemExit):
        run("audit-trail", *life.database, *options)


def test_a_lead_sees_the_teams_part_page_by_page_and_exports_it(life: Life):
    with life.browser(life.lead) as browser:
        page = browser.get("/overview/trail").text
        for part in (
            life.ada,
            "answer corrected",
            f"loop {life.loop}",
            f"key {ACCESS_KEY}",
            "sign in failed",
        ):
            assert part in page
        assert "task ui deleted" not in page.replace('<option value="task-ui-deleted">task ui deleted', "")
        assert TYPED_AS_NAME not in page
        corrected = browser.get("/overview/trail?action=answer-corrected").text
        assert (corrected.count("<tr>"), life.loop in corrected) == (2, True)
        assert browser.get("/overview/trail?action=x").status_code == 400
        assert browser.get("/overview/trail?since=x").status_code == 400
        assert browser.get("/overview/trail?before=x").status_code == 400
        assert "Nothing was recorded" in browser.get("/overview/trail?until=2001-01-01").text
        exported = browser.get("/overview/trail.jsonl").text.splitlines()
    assert json.loads(exported[-1])["action"] == "trail-exported"
    for _ in range(60):
        life.command("add-worker", "--team", life.team, "--name", life.ada, "--lead", "--password-stdin")
        life.command("demote-lead", "--team", life.team, "--name", life.ada)
    with life.browser(life.lead) as browser:
        seen, path = [], "/overview/trail?action=lead-demoted"
        while path:
            page = browser.get(path).text
            seen.append(page.count("<tr>") - 1)
            older = re.search('<a href="([^"]+)">Older', page)
            path = unescape(older[1]) if older else ""
    assert seen == [50, 11]
