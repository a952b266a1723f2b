"""A key does what it was made for: its operations, its team, its part of S3. Each test is an attack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import update

from include.review_desk.aws_api import handlers
from include.review_desk.errors import AccessDenied, InvalidRequest
from include.review_desk.people.purposes import RUNTIME, RUNTIME_OPERATIONS, Purpose
from include.review_desk.storage import prefixes, schema
from include.review_desk.worker_templates.rendering import NO_LINK
from tests.review_desk.people.commands import run
from tests.support.desk import BUCKET, ROLE, Flow, Site, flow_request, input_content, unique

IMAGES, REVIEWS = f"s3://{BUCKET}/images/", f"s3://{BUCKET}/reviews/"
SECRET = f"s3://{BUCKET}/payroll/2026.csv"
LINK = "{{ task.input.taskObject | grant_read_access }}"


@dataclass
class Program:
    """A client with a key of its own."""

    key_id: str
    sagemaker: Any
    a2i: Any

    def start(self, flow: Flow, **members: Any) -> str:
        name = unique("loop")
        self.a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow.arn,
            HumanLoopInput={"InputContent": input_content(**members)},
        )
        return name

    def render(self, template: str, **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.render_ui_template(
            UiTemplate={"Content": template}, Task={"Input": json.dumps(members)}, RoleArn=ROLE
        )
        return answer


@pytest.fixture
def program(site: Site):
    def make(*options: str) -> Program:
        made = run("create-key", "--database", str(site.database_url), "--client", "program", *options)
        assert made.returncode == 0, made.stderr
        key_id, secret = (line.partition("=")[2] for line in made.stdout.splitlines())
        keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        return Program(key_id, site.client("sagemaker", **keys), site.client("sagemaker-a2i-runtime", **keys))

    return make


def within(team: str, operations: str = "admin", reads: str = IMAGES, writes: str = REVIEWS):
    return ("--operations", operations, "--team", team, "--read-prefix", reads, "--write-prefix", writes)


def denied(call, **params: Any) -> str:
    """The sentence with which a call is refused."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response
    assert error["Error"]["Code"] == "AccessDeniedException", error
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(error["Error"]["Message"])


def test_a_runtime_key_runs_loops_and_administers_nothing(site, program):
    flow = site.make_flow()
    app = program(*within(flow.team, "runtime"))
    loop = app.start(flow)
    assert app.a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopStatus"] == "InProgress"
    assert app.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"]
    assert app.sagemaker.describe_flow_definition(FlowDefinitionName=flow.name)
    app.a2i.stop_human_loop(HumanLoopName=loop)
    app.a2i.delete_human_loop(HumanLoopName=loop)
    members = [{"OidcMemberDefinition": {"Groups": ["everybody"]}}]
    said = denied(app.sagemaker.update_workteam, WorkteamName=flow.team, MemberDefinitions=members)
    assert said == (
        f"The key {app.key_id} (program) may not call UpdateWorkteam: it was made with --operations runtime. "
        "Use a key made with create-key --operations admin."
    )
    denied(app.sagemaker.list_workteams)
    denied(app.sagemaker.create_human_task_ui, HumanTaskUiName="ui", UiTemplate={"Content": "x"})
    denied(app.sagemaker.delete_flow_definition, FlowDefinitionName=flow.name)
    denied(app.sagemaker.add_tags, ResourceArn=flow.arn, Tags=[])
    denied(app.render, template="x")


def test_the_class_runtime_leaves_out_all_that_administers():
    app, operations = Purpose("The key", RUNTIME), {**handlers._RUNTIME, **handlers._CONTROL}
    assert set(operations) >= RUNTIME_OPERATIONS >= set(handlers._RUNTIME)
    for operation in set(operations) - RUNTIME_OPERATIONS:
        with pytest.raises(AccessDenied):
            app.check_operation(operation)


def test_rendering_a_template_reads_no_object_beyond_the_prefix(program):
    app = program(*within("team"))
    assert "X-Amz-Signature" in app.render(LINK, taskObject=f"{IMAGES}1.jpg")["RenderedContent"]
    for foreign in (
        SECRET,
        f"s3://{BUCKET}/images",
        f"s3://{BUCKET}/images-of-others/1.jpg",
        f"s3://{BUCKET}/images/../payroll/2026.csv",
        f"https://s3.amazonaws.com/{BUCKET}/payroll/2026.csv",
        f"https://s3.amazonaws.com/{BUCKET}/images/%2E%2E/payroll/2026.csv",
        "s3://another-bucket/images/1.jpg",
    ):
        said = denied(app.render, template=LINK, taskObject=foreign)
        assert "may not read s3://" in said
        assert f"The key may read {IMAGES}. Put the object there" in said
        assert "X-Amz-Signature" not in said


def test_a_loop_shows_people_nothing_beyond_the_prefix(site, program):
    flow = site.make_flow(LINK)
    app = program(*within(flow.team, "runtime"))
    assert "may not read" in denied(app.start, flow=flow, taskObject=SECRET)
    assert app.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"] == []
    assert flow.status(app.start(flow, taskObject=f"{IMAGES}1.jpg")) == "InProgress"
    # The caller of the tests has a key of --credentials, which stays without limits.
    assert flow.status(flow.start(taskObject=SECRET)) == "InProgress"


def test_a_template_that_changes_its_mind_later_shows_nothing_either(site, program):
    """Templates know the time of day: what a loop may show is kept with it, not only checked at its start."""
    flow = site.make_flow(f"<crowd-form><p>{LINK}</p></crowd-form>")
    app = program(*within(flow.team, "runtime"))
    loop = app.start(flow, taskObject=f"{IMAGES}1.jpg")
    loops = schema.human_loops
    later = update(loops).where(loops.c.live_name == loop)
    with site.database.write() as connection:
        connection.execute(later.values(input_content=input_content(taskObject=SECRET)))
    task = flow.reviewer().next()
    assert task["loop"] == loop
    assert f"<p>{NO_LINK}</p>" in task["html"]
    assert task["link_faults"] == [f'"grant_read_access" may not read {SECRET}.']


def test_a_template_cannot_borrow_the_rights_of_the_key_that_starts_loops(site, program):
    """Who writes the template sees what it links to: both keys must be allowed to read it."""
    team, ui, name = unique("team"), unique("ui"), unique("flow")
    site.add_worker(team, unique("person"))
    author = program(*within(team))
    template = f"{{{{ '{SECRET}' | grant_read_access }}}}"
    author.sagemaker.create_human_task_ui(HumanTaskUiName=ui, UiTemplate={"Content": template})
    arn = author.sagemaker.create_flow_definition(**flow_request(name, team, ui))["FlowDefinitionArn"]
    flow = Flow(site, name, arn, team, ui, author.a2i)
    broad = program("--operations", "runtime", "--team", team, "--bucket", BUCKET)
    assert f"may read {IMAGES}." in denied(broad.start, flow=flow)


def test_answers_are_written_nowhere_but_below_the_write_prefix(site, program):
    flow = site.make_flow()
    app = program(*within(flow.team))
    for path in (
        f"s3://{BUCKET}/models/",
        f"s3://{BUCKET}",
        f"s3://{BUCKET}/reviews-of-others",
        f"s3://{BUCKET}/reviews/../models",
        "s3://another-bucket/reviews/",
    ):
        request = flow_request(unique("flow"), flow.team, flow.ui) | {"OutputConfig": {"S3OutputPath": path}}
        said = denied(app.sagemaker.create_flow_definition, **request)
        assert f"may not have answers written to {path}: it may write {REVIEWS}." in said
    made = app.sagemaker.create_flow_definition(**flow_request(unique("flow"), flow.team, flow.ui))
    assert made["FlowDefinitionArn"]
    elsewhere = program(*within(flow.team, "runtime", writes=f"s3://{BUCKET}/elsewhere/"))
    assert "may not have answers written" in denied(elsewhere.start, flow=flow)


def test_a_key_of_one_team_touches_nothing_of_another(site, program):
    mine, theirs = site.make_flow(), site.make_flow()
    loop = theirs.start()
    app = program("--operations", "admin", "--team", mine.team, "--bucket", BUCKET)
    said = denied(app.start, flow=theirs)
    assert f"may not use the flow definition {theirs.name}: it was made with --team {mine.team}." in said
    team_arn = flow_request("x", theirs.team, "ui")["HumanLoopConfig"]["WorkteamArn"]
    ui_arn = flow_request("x", "team", theirs.ui)["HumanLoopConfig"]["HumanTaskUiArn"]
    members = [{"OidcMemberDefinition": {"Groups": ["night"]}}]
    sagemaker, a2i = app.sagemaker, app.a2i
    for call, params in (
        (a2i.describe_human_loop, {"HumanLoopName": loop}),
        (a2i.stop_human_loop, {"HumanLoopName": loop}),
        (a2i.delete_human_loop, {"HumanLoopName": loop}),
        (a2i.list_human_loops, {"FlowDefinitionArn": theirs.arn}),
        (sagemaker.describe_flow_definition, {"FlowDefinitionName": theirs.name}),
        (sagemaker.delete_flow_definition, {"FlowDefinitionName": theirs.name}),
        (sagemaker.create_flow_definition, flow_request(unique("flow"), theirs.team, mine.ui)),
        # To put another template in its place.
        (sagemaker.delete_human_task_ui, {"HumanTaskUiName": theirs.ui}),
        (sagemaker.describe_workteam, {"WorkteamName": theirs.team}),
        (sagemaker.update_workteam, {"WorkteamName": theirs.team, "Description": "mine"}),
        (sagemaker.delete_workteam, {"WorkteamName": theirs.team}),
        (
            sagemaker.create_workteam,
            {"WorkteamName": unique("team"), "Description": "x", "MemberDefinitions": members},
        ),
        (sagemaker.add_tags, {"ResourceArn": theirs.arn, "Tags": []}),
        (sagemaker.list_tags, {"ResourceArn": team_arn}),
        (sagemaker.delete_tags, {"ResourceArn": ui_arn, "TagKeys": ["a"]}),
    ):
        denied(call, **params)
    assert [team["WorkteamName"] for team in sagemaker.list_workteams()["Workteams"]] == [mine.team]
    flows = sagemaker.list_flow_definitions()["FlowDefinitionSummaries"]
    assert [flow["FlowDefinitionName"] for flow in flows] == [mine.name]
    assert app.start(mine)
    sagemaker.delete_flow_definition(FlowDefinitionName=mine.name)
    sagemaker.delete_human_task_ui(HumanTaskUiName=mine.ui)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_flow_definition(FlowDefinitionName=unique("nothing"))


def test_a_key_lets_no_foreign_group_into_its_team(site, program):
    flow = site.make_flow()
    app = program("--operations", "admin", "--team", flow.team, "--bucket", BUCKET)

    def update_groups(*groups: str) -> None:
        members = [{"OidcMemberDefinition": {"Groups": list(groups)}}]
        app.sagemaker.update_workteam(WorkteamName=flow.team, MemberDefinitions=members)

    with pytest.raises(ClientError, match=r"may not let the group 'everybody' into the work team .*any-team"):
        update_groups("night", "everybody")
    update_groups("night", flow.team)


@pytest.mark.parametrize(
    ("text", "stored"), [("s3://bucket", "s3://bucket/"), ("s3://bucket/a/b", "s3://bucket/a/b/")]
)
def test_a_prefix_is_a_folder(text: str, stored: str):
    assert prefixes.read_prefix(text) == stored


@pytest.mark.parametrize(
    "text", ["bucket/a", "s3://", "s3://B/a", "https://bucket/a", "s3://bucket/./a", "s3://bucket/a\nb", ""]
)
def test_what_is_no_folder_is_refused(text: str):
    with pytest.raises(InvalidRequest, match="must be like s3://bucket/folder/"):
        prefixes.read_prefix(text)


def test_what_two_keys_have_in_common():
    wide, narrow, other = ("s3://bucket/",), ("s3://bucket/a/", "s3://else/"), ("s3://bucket/b/",)
    assert prefixes.common(None, None) is None
    assert prefixes.common(wide, None) == prefixes.common(None, wide) == wide
    assert prefixes.common(wide, narrow) == prefixes.common(narrow, wide) == ("s3://bucket/a/",)
    assert prefixes.common(narrow, other) == ()
    assert not prefixes.is_within((), "bucket", "a/1.jpg")
