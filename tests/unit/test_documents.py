"""Documents agree with the code: what is generated is fresh, and what is listed is complete."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from policy_sentry.querying.actions import get_action_data

import dsql_dr_constructs
from docs.api_reference import render
from dsql_dr_client import FailoverPool
from dsql_dr_constructs import (
    BackupOptions,
    DrillOptions,
    FailoverOptions,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionDsqlDr,
    emulator,
)
from dsql_dr_constructs.physical_names import role_requests_name, roles_name
from tests.runtime.judge import Call
from tests.unit.error_messages import error_messages, reported_by_status
from tests.unit.iam_requests import ACCOUNT, IamRequest, iam_requests
from tests.unit.parameter_descriptions import described, twice
from tests.unit.public_api import surface
from tests.unit.test_least_privilege import allows

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    one for where in ("*", "client/*", "docs/*", "docs/adr/*", "examples/*/*") for one in ROOT.glob(f"{where}.md")
)


def test_api_reference_is_fresh() -> None:
    assert (ROOT / "API.md").read_text() == render(), "run make docs"


def test_every_parameter_property_and_method_is_described() -> None:
    lines = render().splitlines()
    assert [line for line in lines if re.search(r"^\| `\w+` \|.*\|\s*\|$", line)] == []
    methods = re.findall(r"##### (\w+)\n\n```python\n[^`]+```\n\n(.)", render())
    assert len(methods) > 50
    assert [name for name, first in methods if first in "#|"] == []


def test_no_parameter_is_described_twice() -> None:
    """What is the same in two signatures is described once, and the other one says ``As in `Name`.``"""
    descriptions = described()
    assert sum(len(one) for one in descriptions.values()) > 80
    assert twice(descriptions) == []


def test_descriptions_that_say_nearly_the_same_are_found() -> None:
    said = {
        "One": "Time between two runs of a monitor; whole minutes.",
        "Other": "Time between two runs; whole minutes.",
    }
    assert len(twice({"schedule": said})) == 1
    assert twice({"schedule": {**said, "Other": "Length of a datapoint."}}) == []


OF_STATUS = "### What `dsql-dr status` reports"


def test_every_error_message_has_its_entry_in_troubleshooting_and_no_other() -> None:
    text, _, _ = (ROOT / "docs" / "troubleshooting.md").read_text().partition(OF_STATUS)
    entries = set(re.findall(r"^\| `([^`]+)` \|", text, re.M))
    waiting = set(
        re.findall(r"`([^`]+)`", text[text.index("These stand in the log") : text.index("## When the monitor")])
    )
    found = error_messages()
    assert found - entries - waiting == set(), "without an entry"
    assert (entries | waiting) - found == set(), "no longer said"


def test_every_sentence_that_status_reports_is_in_troubleshooting() -> None:
    _, _, text = (ROOT / "docs" / "troubleshooting.md").read_text().partition(OF_STATUS)
    entries = re.findall(r"^(?:\||-) `([^`]+)`", text, re.M)
    reported = reported_by_status()
    assert len(reported) > 8
    for one in reported:
        assert [entry for entry in entries if entry.lower().endswith(one.lower())], one


def test_every_guide_and_decision_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    pages = {one.relative_to(docs).as_posix() for one in docs.rglob("*.md")}
    roots = {"index.md", "api.md", "security.md", "changelog.md"}
    assert set(re.findall(r"([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)) == pages | roots


def test_readme_is_read_in_minutes_and_begins_with_what_was_not_tested() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    first_screen = " ".join(lines[:12])
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert f"version {version[0]}" in first_screen
    assert "not yet been tested on live Aurora DSQL" in first_screen


def test_every_link_between_documents_leads_to_a_file_and_a_heading() -> None:
    wrong = []
    folders = [ROOT / one for one in ("client", "docs", "examples")]
    for document in [*ROOT.glob("*.md"), *(one for folder in folders for one in folder.rglob("*.md"))]:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", document.read_text()):
            file = document.parent / target if target else document
            if not file.exists() or (anchor and anchor not in _anchors(file.read_text())):
                wrong.append(f"{document.relative_to(ROOT)}: {target}#{anchor}")
    assert wrong == []


def _anchors(text: str) -> set[str]:
    """As GitHub and mkdocs make them of headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


QUESTIONS = {
    "what RPO and RTO are": "operations.md#rpo-and-rto",
    "how to deploy while a Region is down": "operations.md#deploy-while-a-region-is-down",
    "what two faults at once do": "operations.md#two-faults-at-once",
    "which permissions being on call needs": "permissions.md#on-call",
    "which quotas count": "operations.md#quotas",
    "how long a first deployment takes": "operations.md#how-long-a-first-deployment-takes",
    "what scope may be": "operations.md#where-the-construct-can-stand",
    "whether a manual invoke writes metrics": "monitoring.md#does-a-manual-invoke-write-metrics",
    "how to move Regions": "upgrading.md#move-to-other-regions",
    "who confirms which email": "notifications.md#who-confirms-which-email",
    "how to give a synthesizer, and termination protection": (
        "operations.md#a-synthesizer-of-your-own-termination-protection"
    ),
    "how to connect a Lambda function in both Regions": "connect.md#a-lambda-function-in-both-regions",
    "how to give a function a database role": "connect.md#the-database-role",
    "what is left of a database role": "connect.md#remove-a-role",
    "what the SQL probe proves": "monitoring.md#whose-fault-a-finding-is",
    "how to connect privately": "connect.md#private-access",
    "how to use PagerDuty": "notifications.md#pagerduty",
    "how to monitor an existing pair": "adopt.md#monitor-a-pair-that-exists-already",
    "what to do when data was destroyed in both Regions": "operations.md#data-destroyed-in-both-regions",
    "how to get lost rows out of a backup": "operations.md#one-cluster-for-inspection",
    "how to make drills possible": "drill.md#switch-it-on",
    "what AWS does not document of drills": "drill.md#the-first-drill-what-to-check",
    "which permissions a restore needs": "permissions.md#restore",
    "which permissions a drill needs": "permissions.md#drill",
    "whether it is a drill, and how to stop it": "operations.md#is-it-a-drill",
    "how to drill the real pair": "drill.md#run-a-drill",
    "what a drill does not prove": "drill.md#what-a-drill-does-not-prove",
    "how to send users to the Region that serves": "failover.md#your-records",
    "what happens when both Regions are unhealthy": "failover.md#when-both-regions-are-unhealthy",
    "how to add own alarms": "notifications.md#your-own-alarms",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_question_of_a_new_user_has_a_heading(question: str) -> None:
    document, _, anchor = QUESTIONS[question].partition("#")
    assert anchor in _anchors((ROOT / "docs" / document).read_text())


Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def templates() -> Templates:
    """Of the README's app, by the stack's name."""
    pair = MultiRegionDsqlDr(cdk.App(), "AuroraDsqlDR", alert_emails=["ops@example.com"])
    return {one.stack_name: dict(assertions.Template.from_stack(one).to_json()) for one in pair.stacks}


def test_documents_have_the_number_of_resources_that_the_templates_have(templates: Templates) -> None:
    types = [one["Type"] for template in templates.values() for one in template["Resources"].values()]
    assert f"{len(types)} in all, in four stacks, with one email" in (ROOT / "docs" / "operations.md").read_text()
    without_email = len(types) - types.count("AWS::SNS::Subscription")
    row = f"| resources of MultiRegionDsqlDr, default configuration | {without_email} |"
    assert row in (ROOT / "docs" / "performance.md").read_text()


def test_policy_to_copy_denies_actions_that_exist_and_lets_the_peering_write(templates: Templates) -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html for its length."""
    [policy] = _policies("operations.md")
    assert len(json.dumps(policy, separators=(",", ":"))) < 5120
    denied = _actions(policy)
    assert len(denied) > 15
    assert [one for one in denied if not get_action_data(*one.split(":"))] == []
    exempt = policy["Statement"][0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    [secondary] = [name for name in templates if "Secondary-" in name]
    resources = templates[secondary]["Resources"].items()
    [writer] = [id for id, one in resources if one["Type"] == "AWS::IAM::Role" and id.startswith("PeeringRole")]
    named = f"arn:aws:iam::111111111111:role/{secondary}-{writer}-0a1b2c"  # as CloudFormation does
    assert any(fnmatchcase(named, one) for one in exempt)


def _policies(document: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in re.findall(r"```json\n(.*?)```", (ROOT / "docs" / document).read_text(), re.S)]


def _actions(policy: dict[str, Any]) -> set[str]:
    return {action for one in policy["Statement"] for action in one["Action"]}


DEPLOY, CLUSTERS, ON_CALL, NOTIFICATIONS, MADE_ELSEWHERE, RESTORE, DRILL, DRILL_COPY = range(8)
CALLS_OF_COMMANDS = {
    "lambda invoke": "lambda:InvokeFunction",
    "logs tail": "logs:FilterLogEvents",
}
"""Commands that are not called as their API action is."""


def test_policies_to_copy_allow_actions_that_exist() -> None:
    policies = _policies("permissions.md")
    assert len(policies) == 9
    assert [one for policy in policies for one in _actions(policy) if not get_action_data(*one.split(":"))] == []


def test_policies_to_copy_limit_no_action_that_iam_cannot_limit_to_a_resource() -> None:
    """A statement with resources would not allow it at all."""
    unlimited, limited = set(), []
    for policy in _policies("permissions.md"):
        for statement, action in ((one, action) for one in policy["Statement"] for action in one["Action"]):
            service, _, name = action.partition(":")
            if {one["resource_arn_format"] for one in get_action_data(service, name)[service]} == {"*"}:
                unlimited.add(action)
                limited += [(statement["Sid"], action)] if statement["Resource"] != "*" else []
    assert {"sns:Unsubscribe", "logs:DescribeLogGroups", "sqs:ListQueues"} <= unlimited
    assert limited == []


FIS = f"arn:aws:fis:us-west-2:{ACCOUNT}"
DRILL_CALLS = {
    "fis:StartExperiment": ("experiment", "aws:RequestTag/dsql-dr:deployment"),
    "fis:TagResource": ("experiment", "aws:RequestTag/dsql-dr:deployment"),
    "fis:StopExperiment": ("experiment", "aws:ResourceTag/dsql-dr:deployment"),
    "fis:GetExperiment": ("experiment", "aws:ResourceTag/dsql-dr:deployment"),
    "fis:GetExperimentTemplate": ("experiment-template", "aws:ResourceTag/dsql-dr:deployment"),
}
"""What is called, of what kind, and the tag that makes it one of the pair."""


def _statements(policy: int) -> list[dict[str, Any]]:
    document = json.dumps(_policies("permissions.md")[policy]).replace("111122223333", ACCOUNT)
    statements: list[dict[str, Any]] = json.loads(document)["Statement"]
    return statements


@pytest.mark.parametrize(("action", "kind", "tag"), [(one, *how) for one, how in DRILL_CALLS.items()])
def test_policy_for_drills_is_for_those_of_the_pair(action: str, kind: str, tag: str) -> None:
    def allowed(context: dict[str, str]) -> bool:
        return allows(_statements(DRILL), IamRequest(action, f"{FIS}:{kind}/EX1", context))

    assert allowed({tag: "AuroraDsqlDR-production"})
    assert not allowed({tag: "AuroraDsqlDR-staging"})
    assert not allowed({})


def test_policy_for_drills_changes_and_tags_no_template_and_passes_no_role() -> None:
    everything = {f"aws:{kind}Tag/dsql-dr:deployment": "AuroraDsqlDR-production" for kind in ("Request", "Resource")}
    for action in ("CreateExperimentTemplate", "UpdateExperimentTemplate", "DeleteExperimentTemplate", "TagResource"):
        assert not allows(_statements(DRILL), IamRequest(f"fis:{action}", f"{FIS}:experiment-template/E", everything))
    assert "iam:PassRole" not in _actions(_policies("permissions.md")[DRILL])


def test_policy_for_a_copy_deletes_copies_only_and_passes_the_roles_of_this_pairs_drills_only() -> None:
    statements, template = _statements(DRILL_COPY), f"{FIS}:experiment-template/EXT1"
    own, copy = {"aws:ResourceTag/dsql-dr:deployment": "AuroraDsqlDR-production"}, "aws:ResourceTag/dsql-dr:drill-copy"
    assert allows(statements, IamRequest("fis:DeleteExperimentTemplate", template, {**own, copy: "EXT2"}))
    assert not allows(statements, IamRequest("fis:DeleteExperimentTemplate", template, own))
    assert not allows(statements, IamRequest("fis:CreateExperimentTemplate", template))
    created = {"aws:RequestTag/dsql-dr:deployment": "AuroraDsqlDR-production"}
    assert allows(statements, IamRequest("fis:CreateExperimentTemplate", template, created))
    [roles] = [one["Resource"] for one in statements if "iam:PassRole" in one["Action"]]
    assert len(roles) == 2
    assert not any("*" in one for one in roles), "stacks of other environments have names that begin as these"
    passed = {"iam:PassedToService": "fis.amazonaws.com"}
    assert [one for one in roles if not allows(statements, IamRequest("iam:PassRole", one, passed))] == []
    assert [one for one in roles if len(one.rpartition("/")[2]) > 64] == []


def test_policies_for_on_call_allow_every_command_of_the_runbook(templates: Templates) -> None:
    policies = _policies("permissions.md")
    texts = [json.dumps(one) for one in templates.values()]
    command = re.compile(r"(?:(?<![\w:-])|(?<=\\n))aws ([a-z]+ [a-z][a-z-]+)")  # at the begin of a line, too
    commands = {one for text in texts for one in command.findall(text)}
    assert len(commands) >= 6
    repair = {"cloudformation create-change-set", "dsql update-cluster"}  # of whoever deploys
    needed = {CALLS_OF_COMMANDS.get(one) or _action(*one.split()) for one in commands - repair}
    assert needed - _actions(policies[ON_CALL]) - _actions(policies[NOTIFICATIONS]) == set()


def test_policies_for_on_call_let_nobody_run_sql_as_admin() -> None:
    invoked = {
        function
        for policy in _policies("permissions.md")
        for one in policy["Statement"]
        if "lambda:InvokeFunction" in one["Action"]
        for function in one["Resource"]
    }
    assert len(invoked) == 2
    for name in (roles_name, role_requests_name):
        arn = f"arn:aws:lambda:us-east-1:111122223333:function:{name('AuroraDsqlDR-production')}"
        assert [one for one in invoked if fnmatchcase(arn, one)] == []


def test_policy_for_on_call_stops_drills_of_the_pair_and_those_without_tags_and_starts_none() -> None:
    statements = _policies("permissions.md")[ON_CALL]["Statement"]
    experiment = "arn:aws:fis:us-west-2:111122223333:experiment/EXP1"

    def may(action: str, **tags: str) -> bool:
        context = {f"aws:ResourceTag/dsql-dr:{name}": value for name, value in tags.items()}
        return allows(statements, IamRequest(action, experiment, context))

    assert may("fis:StopExperiment", deployment="AuroraDsqlDR-production")
    assert may("fis:StopExperiment"), "whoever starts one in the console may give no tags"
    assert not may("fis:StopExperiment", deployment="Another")
    assert not may("fis:StartExperiment", deployment="AuroraDsqlDR-production")


def test_policies_for_on_call_allow_every_command_of_the_guides_up_to_the_repair() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    notifications = (ROOT / "docs" / "notifications.md").read_text()
    text = operations[operations.index("## When you are notified") : operations.index("### Drill")]
    text += notifications[notifications.index("## Test the notifications") :]
    commands = set(re.findall(r"(?<![\w:-])aws ([a-z]+ [a-z][a-z-]+)", text))
    assert {"cloudformation create-change-set", "dsql update-cluster", "sns subscribe"} <= commands
    needed = {CALLS_OF_COMMANDS.get(one) or _action(*one.split()) for one in commands}
    policies = _policies("permissions.md")
    assert needed - set().union(*(_actions(policies[one]) for one in (ON_CALL, NOTIFICATIONS, MADE_ELSEWHERE))) == set()


def test_policy_for_a_pair_made_elsewhere_allows_what_iam_checks_for_its_repair() -> None:
    document = _policies("permissions.md")[MADE_ELSEWHERE]
    policy = json.loads(json.dumps(document).replace("111122223333", ACCOUNT))
    [arns] = [one["Resource"] for one in policy["Statement"] if one["Sid"] == "RepairTheClusters"]
    for own, peer in (arns, arns[::-1]):
        asked = {
            "identifier": own.rpartition("/")[2],
            "multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [peer]},
        }
        for before in ([], [own]):  # a peer that was removed, and another one
            call = Call("dsql", "UpdateCluster", own.split(":")[3], asked, {"peers": before})
            for request in iam_requests(call, {}):
                assert allows(policy["Statement"], request), request


def test_permissions_name_every_action_that_a_boundary_has_to_allow() -> None:
    """With the default configuration, and what the choices that are named there add."""
    document = (ROOT / "docs" / "permissions.md").read_text()
    section = document[document.index("### A permission boundary") : document.index("## On call")]
    default, _, choices = section.partition("\n\nWith keys of yours")
    assert _named(default) == _actions_of_roles()
    app = cdk.App()
    stacks = {one: cdk.Stack(app, one, env=cdk.Environment(account=ACCOUNT, region=one)) for one in REGIONS}
    own = {
        one: MonitorOptions(vpc=ec2.Vpc(stack, "Network", nat_gateways=1), tracing=True)
        for one, stack in stacks.items()
    }
    more = _actions_of_roles(
        app,
        account=ACCOUNT,
        encryption_keys={one: kms.Key(stack, "Key") for one, stack in stacks.items()},
        monitoring=MonitoringOptions(monitor_options=own, sql_probe=True),
        backup=BackupOptions(removal_policy=cdk.RemovalPolicy.DESTROY, delete_recovery_points=True),
        failover=FailoverOptions(),
        drill=DrillOptions(
            schedules={"us-east-1": "cron(0 9 ? 1,7 TUE#2 *)"}, report_buckets={"us-east-1": "drill-reports"}
        ),
    )
    assert _named(default) | _named(choices) == more


REGIONS = ("us-east-1", "us-west-2")


def _named(text: str) -> set[str]:
    return set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", text))


def _actions_of_roles(app: cdk.App | None = None, **options: Any) -> set[str]:
    pair = MultiRegionDsqlDr(app or cdk.App(), "Orders", removal_policy=cdk.RemovalPolicy.DESTROY, **options)
    found: set[str] = set()
    for stack in pair.stacks:
        resources = assertions.Template.from_stack(stack).to_json()["Resources"].values()
        for statement in (
            statement
            for one in resources
            if one["Type"] == "AWS::IAM::Policy"
            for statement in one["Properties"]["PolicyDocument"]["Statement"]
        ):
            action = statement["Action"]
            found |= set(action if isinstance(action, list) else [action])
    return found


def test_readme_says_whether_its_version_was_released() -> None:
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[0]
    released = f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    assert released != (f"version {version}, not released yet" in (ROOT / "README.md").read_text())


def _action(service: str, command: str) -> str:
    return f"{service}:{''.join(part.title() for part in command.split('-'))}"


def test_permissions_name_every_type_of_resource_of_the_default_configuration(templates: Templates) -> None:
    types = {one["Type"] for template in templates.values() for one in template["Resources"].values()}
    document = (ROOT / "docs" / "permissions.md").read_text()
    assert set(re.findall(r"`(AWS::\w+::\w+)`", document)) == {
        one for one in types - {"AWS::DSQL::Cluster"} if not one.startswith("Custom::")
    }


def fragments(markdown: str) -> Iterator[ast.Call]:
    """Calls in the sentences of a document: `Name(parameter=...)`, `parameter=...`, and `"parameter": ...`."""
    for fragment in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)):
        for code in (f"bare({fragment})", f"bare({{{fragment}}})"):
            with suppress(SyntaxError):
                yield from (one for one in ast.walk(ast.parse(code.replace("…", "..."))) if isinstance(one, ast.Call))
                break


def unknown(markdown: str) -> set[str]:
    """Parameters in the sentences of a document that nothing public has, or that are written as keys of a dict."""
    public = {name: getattr(one, name) for one in (dsql_dr_constructs, emulator) for name in one.__all__}
    words = set(re.findall(r"\w+", surface()))
    found = set()
    for call in fragments(markdown):
        named = {one.arg for one in call.keywords if one.arg and one.arg.islower()}
        if isinstance(call.func, ast.Name) and call.func.id in public:
            found |= named - set(inspect.signature(public[call.func.id].__init__).parameters)
        elif isinstance(call.func, ast.Name) and call.func.id == "bare":
            keys = (key for one in call.args if isinstance(one, ast.Dict) for key in one.keys)
            found |= {str(one.value) for one in keys if isinstance(one, ast.Constant) and one.value in words}
            found |= named - words
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_sentences_of_a_document_name_parameters_that_exist(document: Path) -> None:
    of_the_cdk, of_postgresql = (
        {"architecture", "changeable_for", "cross_region_references", "default_stack_synthesizer", "env", "weight"},
        {"listen_addresses", "sslrootcert"},
    )
    of_the_client = {
        name for one in (FailoverPool, FailoverPool.run_transaction) for name in inspect.signature(one).parameters
    }
    of_others = {*of_the_cdk, *of_postgresql, *of_the_client, "mutable", "verify_on_deploy"}  # the last is ADR 5's
    assert unknown(document.read_text()) - of_others == set()


@pytest.mark.parametrize("sentence", ['`"vpc_endpoints": False`', "`MonitorOptions(budget=1)`", "`probe_budget=1`"])
def test_parameters_of_another_form_or_name_are_found(sentence: str) -> None:
    assert len(unknown(f"Write {sentence}.")) == 1
