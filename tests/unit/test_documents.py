"""Documents tell the truth: what is generated is fresh, and what is listed is complete."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import assertions
from policy_sentry.querying.actions import get_action_data

from docs.api_reference import render
from dsql_dr_constructs import MultiRegionDsqlDr
from tests.unit.error_messages import error_messages

ROOT = Path(__file__).parents[2]


def test_api_reference_is_fresh() -> None:
    assert (ROOT / "API.md").read_text() == render(), "run make docs"


def test_every_parameter_property_and_method_is_described() -> None:
    lines = render().splitlines()
    assert [line for line in lines if re.search(r"^\| `\w+` \|.*\|\s*\|$", line)] == []
    methods = re.findall(r"##### (\w+)\n\n```python\n[^`]+```\n\n(.)", render())
    assert len(methods) > 50
    assert [name for name, first in methods if first in "#|"] == []


def test_every_error_message_has_its_entry_in_troubleshooting_and_no_other() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    entries = set(re.findall(r"^\| `([^`]+)` \|", text, re.M))
    waiting = set(
        re.findall(r"`([^`]+)`", text[text.index("These stand in the log") : text.index("## When the monitor")])
    )
    found = error_messages()
    assert found - entries - waiting == set(), "without an entry"
    assert (entries | waiting) - found == set(), "no longer said"


def test_every_decision_is_in_the_navigation() -> None:
    decisions = {one.name for one in (ROOT / "docs" / "adr").glob("*.md")}
    assert set(re.findall(r"- adr/(\S+)", (ROOT / "mkdocs.yml").read_text())) == decisions


def test_policy_to_copy_denies_actions_that_exist_and_lets_the_peering_write() -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html for its length."""
    [text] = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.S)
    policy = json.loads(text)
    assert len(json.dumps(policy, separators=(",", ":"))) < 5120
    denied = [action for one in policy["Statement"] for action in one["Action"]]
    assert len(denied) > 15
    assert [one for one in denied if not get_action_data(*one.split(":"))] == []
    exempt = policy["Statement"][0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    [secondary] = [one for one in MultiRegionDsqlDr(cdk.App(), "AuroraDsqlDR").stacks if "Secondary-" in one.stack_name]
    roles = assertions.Template.from_stack(secondary).find_resources("AWS::IAM::Role")
    [writer] = [id for id in roles if id.startswith("PeeringRole")]
    named = f"arn:aws:iam::111111111111:role/{secondary.stack_name}-{writer}-0a1b2c"  # as CloudFormation does
    assert any(fnmatchcase(named, one) for one in exempt)
