from __future__ import annotations

import inspect
import os
import re
import shutil
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions, cx_api
from aws_cdk import aws_kms as kms
from constructs import Construct
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs import (
    BackupOptions,
    ClusterOptions,
    FailoverOptions,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionDsqlDr,
    StackOptions,
    runtime_function,
)
from tests.unit.replacements import CHANGES, table


def resources(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = assertions.Template.from_stack(stack).to_json()["Resources"]
    return found


def clusters(pair: MultiRegionDsqlDr) -> list[dict[str, Any]]:
    return [
        next(one["Properties"] for one in resources(stack).values() if one["Type"] == "AWS::DSQL::Cluster")
        for stack in pair.stacks[:2]
    ]


def names(pair: MultiRegionDsqlDr) -> list[str]:
    return [stack.stack_name for stack in pair.stacks]


def tags_of(properties: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties["Tags"]}


# what one line makes


def test_default_configuration_makes_a_stack_in_each_region_primary_first(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR")
    assert [(stack.stack_name, stack.region) for stack in pair.stacks] == [
        ("AuroraDsqlDR-Primary-production", "us-east-1"),
        ("AuroraDsqlDR-Secondary-production", "us-west-2"),
        ("AuroraDsqlDR-PrimaryMonitoring-production", "us-east-1"),
        ("AuroraDsqlDR-SecondaryMonitoring-production", "us-west-2"),
    ]
    assert [stack.dependencies for stack in pair.stacks] == [
        [],
        [pair.stacks[0]],
        [pair.stacks[1]],
        [pair.stacks[1]],
    ]


def test_both_clusters_are_kept_and_protected_and_name_no_peer(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR")
    for properties in clusters(pair):
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["MultiRegionProperties"] == {"WitnessRegion": "us-east-2"}
    for stack in pair.stacks[:2]:
        assertions.Template.from_stack(stack).has_resource(
            "AWS::DSQL::Cluster", {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        )


def test_logical_ids_are_a_promise(app: cdk.App) -> None:
    """A changed id would replace the resource in every user's account."""
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR", alert_emails=["ops@example.com"])
    primary, secondary, watch, second_watch = map(resources, pair.stacks)
    assert {id: one["Type"] for id, one in primary.items()} == {
        "ClusterEB0386A7": "AWS::DSQL::Cluster",
    }
    assert {id: one["Type"] for id, one in secondary.items()} == {
        "ClusterEB0386A7": "AWS::DSQL::Cluster",
        "Peering3EBF733F": "Custom::DsqlClusterPeering",
        "PeeringLogs4655BEE6": "AWS::Logs::LogGroup",
        "PeeringFunction7844C99F": "AWS::Lambda::Function",
        "PeeringRoleD56117C4": "AWS::IAM::Role",
        "PeeringRoleDefaultPolicyC7F8EA87": "AWS::IAM::Policy",
        "PeeringFrameworkOnEventRoleFD4DB9E2": "AWS::IAM::Role",
        "PeeringFrameworkOnEventRoleDefaultPolicy26E5F79E": "AWS::IAM::Policy",
        "PeeringFrameworkIsCompleteRole2E967360": "AWS::IAM::Role",
        "PeeringFrameworkIsCompleteRoleDefaultPolicyCEBD60BC": "AWS::IAM::Policy",
        "PeeringProviderframeworkonEventFECF621E": "AWS::Lambda::Function",
        "PeeringProviderframeworkisComplete99E5B9AD": "AWS::Lambda::Function",
        "PeeringProviderframeworkonTimeout793AF0A5": "AWS::Lambda::Function",
        "PeeringProviderwaiterstatemachineRole4936B2B8": "AWS::IAM::Role",
        "PeeringProviderwaiterstatemachineRoleDefaultPolicy9D097B11": "AWS::IAM::Policy",
        "PeeringProviderwaiterstatemachineD13C74A3": "AWS::StepFunctions::StateMachine",
    }
    stack = "AuroraDsqlDRPrimaryMonitoringproduction"
    assert {id: one["Type"] for id, one in watch.items()} == {
        "AlertsKey9E1197AF": "AWS::KMS::Key",
        "AlertsAlias85D9FA80": "AWS::KMS::Alias",
        "AlertsTopicCF7C81C9": "AWS::SNS::Topic",
        "AlertsTopicPolicyFF1F97BA": "AWS::SNS::TopicPolicy",
        "AlertsTopicopsexamplecomA813B42A": "AWS::SNS::Subscription",
        "MonitorLogsA2A2A44B": "AWS::Logs::LogGroup",
        "MonitorRole6D26CBE9": "AWS::IAM::Role",
        "MonitorRoleDefaultPolicyF93FBA6D": "AWS::IAM::Policy",
        "MonitorDeadLettersBAD42EE3": "AWS::SQS::Queue",
        "MonitorDeadLettersPolicyB6137F5C": "AWS::SQS::QueuePolicy",
        "MonitorFunction39E4128B": "AWS::Lambda::Function",
        "MonitorFunctionEventInvokeConfig986892E1": "AWS::Lambda::EventInvokeConfig",
        "MonitorSchedule8012EAAD": "AWS::Events::Rule",
        f"MonitorScheduleAllowEventRule{stack}MonitorFunction020C1A750AB21254": "AWS::Lambda::Permission",
        "MonitorFrameworkOnEventRole031214B2": "AWS::IAM::Role",
        "MonitorFrameworkOnEventRoleDefaultPolicy4FA30102": "AWS::IAM::Policy",
        "MonitorProviderframeworkonEventEFF8CC59": "AWS::Lambda::Function",
        "MonitorFirstProbeC2F77E52": "Custom::DsqlFirstProbe",
        "Alarmsclusterdownuseast187FC9676": "AWS::CloudWatch::Alarm",
        "Alarmsclusterhealthuseast12C50FC14": "AWS::CloudWatch::Alarm",
        "Alarmspeeringuseast1B8EC04EF": "AWS::CloudWatch::Alarm",
        "Alarmsclusterdownuswest2BF094D01": "AWS::CloudWatch::Alarm",
        "Alarmsclusterhealthuswest22C0639AB": "AWS::CloudWatch::Alarm",
        "Alarmspeeringuswest2E54ACBAF": "AWS::CloudWatch::Alarm",
        "AlarmsmonitornodataE4F239D8": "AWS::CloudWatch::Alarm",
        "Alarmsdatawithoutruns26E8D2B7": "AWS::CloudWatch::Alarm",
        "AlarmsparameterschangedDFD6DC0B": "AWS::CloudWatch::Alarm",
        "AlarmsnotificationsbrokenFCD6DAAB": "AWS::CloudWatch::Alarm",
        "Alarmsmonitorerrors7093540D": "AWS::CloudWatch::Alarm",
        "AlarmsmonitorthrottlesE4EC1769": "AWS::CloudWatch::Alarm",
        "AlarmsmonitordurationE3D020E2": "AWS::CloudWatch::Alarm",
        "AlarmsfailedinvocationsFB3E6BA5": "AWS::CloudWatch::Alarm",
        "AlarmsdeadlettersBB234E26": "AWS::CloudWatch::Alarm",
        "Alarmsquerytimeouts3C35E62D": "AWS::CloudWatch::Alarm",
        "AlarmsoccconflictsABA0EA3D": "AWS::CloudWatch::Alarm",
        "Alarmscommitlatency21F9D074": "AWS::CloudWatch::Alarm",
        "AlarmspeeringlostF1534134": "AWS::CloudWatch::CompositeAlarm",
        "Alarmsmonitoringnotworking4FE9DA14": "AWS::CloudWatch::CompositeAlarm",
        "Dashboard7A06DACF": "AWS::CloudWatch::Dashboard",
    }
    types = sorted(one["Type"] for one in watch.values() if not one["Type"].endswith("::Dashboard"))
    assert sorted(one["Type"] for one in second_watch.values()) == types


def test_both_stacks_have_outputs_for_what_a_person_looks_up(app: cdk.App) -> None:
    for stack in MultiRegionDsqlDr(app, "AuroraDsqlDR").stacks[:2]:
        outputs = dict(assertions.Template.from_stack(stack).find_outputs("*"))
        endpoint = outputs.pop("ClusterEndpoint")["Value"]["Fn::Join"][1]
        assert endpoint == [{"Fn::GetAtt": ["ClusterEB0386A7", "Identifier"]}, f".dsql.{stack.region}.on.aws"], (
            "composed, since no document says that the attribute has a value before the peering"
        )
        assert {name: output["Value"]["Fn::GetAtt"][1] for name, output in outputs.items()} == {
            "ClusterIdentifier": "Identifier",
            "ClusterArn": "ResourceArn",
        }


def test_clusters_are_named_by_their_tag(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR", cluster_options=ClusterOptions(name_prefix="orders"))
    assert [tags_of(one) for one in clusters(pair)] == [
        {"Name": name, "dsql-dr:deployment": "AuroraDsqlDR-production", "dsql-dr:pair": "b4ffd5f4137f5b59"}
        for name in ("orders-primary", "orders-secondary")
    ]


def test_tags_reach_every_resource_that_can_have_them(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR", tags={"team": "orders"})
    taggable = {"AWS::DSQL::Cluster", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Logs::LogGroup"}
    seen = set()
    for stack in pair.stacks:
        for one in resources(stack).values():
            if one["Type"] in taggable:
                assert tags_of(one["Properties"])["team"] == "orders"
                seen.add(one["Type"])
    assert seen == taggable


# what can be chosen


def test_regions_and_names_can_be_chosen(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        primary_region="eu-west-1",
        secondary_region="eu-central-1",
        witness_region="eu-west-3",
        environment_name="staging",
        deployment_name="orders-eu",
    )
    assert names(pair) == [
        "Orders-Primary-staging",
        "Orders-Secondary-staging",
        "Orders-PrimaryMonitoring-staging",
        "Orders-SecondaryMonitoring-staging",
    ]
    assert pair.deployment_name == pair.peering.deployment_name == "orders-eu"
    assert [one["MultiRegionProperties"]["WitnessRegion"] for one in clusters(pair)] == ["eu-west-3", "eu-west-3"]
    assert (pair.primary.cluster_region, pair.secondary.cluster_region) == ("eu-west-1", "eu-central-1")


def test_destroy_turns_the_protection_off(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "AuroraDsqlDR", removal_policy=cdk.RemovalPolicy.DESTROY)
    assert [one["DeletionProtectionEnabled"] for one in clusters(pair)] == [False, False]
    [peering] = [one for one in resources(pair.stacks[1]).values() if one["Type"].startswith("Custom::")]
    assert peering["Properties"]["RemovalPolicy"] == "destroy"


def test_region_that_aws_added_after_the_release_is_a_warning_that_the_cli_prints(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    MultiRegionDsqlDr(app, "AuroraDsqlDR", witness_region="sa-east-1", monitoring=None)
    messages = [one for stack in app.synth().stacks for one in stack.messages]
    [warning] = [str(one.entry.data) for one in messages if one.level == cx_api.SynthesisMessageLevel.WARNING]
    assert re.search(r"witness_region is 'sa-east-1'.*\[ack: dsql-dr-constructs:unknownRegion\]", warning)


def test_account_is_the_deployers_unless_something_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def account_of(scope: Construct, **options: Any) -> str:
        return MultiRegionDsqlDr(scope, "Pair", **options).stacks[0].account

    assert cdk.Token.is_unresolved(account_of(cdk.App()))
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "222222222222")
    assert account_of(cdk.App()) == "222222222222"
    stage = cdk.Stage(cdk.App(), "Prod", env=cdk.Environment(account="333333333333"))
    assert account_of(stage) == "333333333333"
    assert account_of(cdk.App(), account="444444444444") == "444444444444"


# where it can stand


def test_stage_gives_stacks_and_deployment_its_name(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(cdk.Stage(app, "Prod"), "Orders")
    assert names(pair) == [
        "Prod-Orders-Primary-production",
        "Prod-Orders-Secondary-production",
        "Prod-Orders-PrimaryMonitoring-production",
        "Prod-Orders-SecondaryMonitoring-production",
    ]
    assert pair.deployment_name == "Prod-Orders-production"


def test_any_construct_is_a_scope_and_nothing_is_created_in_a_stack_around_it(app: cdk.App) -> None:
    for number, parent in enumerate((cdk.Stack(app, "Mine"), Construct(app, "Team"))):
        pair = MultiRegionDsqlDr(parent, f"Orders{number}")
        assert names(pair)[0] == f"Orders{number}-Primary-production"
        assert pair.stacks[0].node.scope is parent
    assert "Resources" not in assertions.Template.from_stack(cdk.Stack.of(app.node.find_child("Mine"))).to_json()


@pytest.mark.parametrize(("region", "told"), [("eu-west-1", 1), ("us-west-2", 0), (None, 0)])
def test_region_of_a_stage_that_is_not_used_is_a_warning(app: cdk.App, region: str | None, told: int) -> None:
    pair = MultiRegionDsqlDr(cdk.Stage(app, "Prod", env=cdk.Environment(region=region)), "Orders")
    found = assertions.Annotations.from_stack(pair.stacks[0]).find_warning(
        "*", assertions.Match.string_like_regexp("Stage 'Prod' has Region 'eu-west-1', which the pair does not use")
    )
    assert len(found) == told
    assert pair.primary.cluster_region == "us-east-1"


def test_several_deployments_live_in_one_app(app: cdk.App) -> None:
    pairs = [MultiRegionDsqlDr(app, name) for name in ("Orders", "Billing")]
    assert len({name for pair in pairs for name in names(pair)}) == 8
    told = [tags_of(clusters(pair)[0])["dsql-dr:deployment"] for pair in pairs]
    assert told == ["Orders-production", "Billing-production"]


def test_it_can_stand_in_any_construct(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(Construct(app, "Platform"), "Orders")
    assert names(pair)[:2] == ["Orders-Primary-production", "Orders-Secondary-production"]


# bad input


def test_two_deployments_of_one_name_are_refused(app: cdk.App) -> None:
    MultiRegionDsqlDr(app, "Orders")
    with pytest.raises(ValueError, match=r"'Billing' and 'Orders' are both deployment 'Orders-production'.*another"):
        MultiRegionDsqlDr(app, "Billing", deployment_name="Orders-production")


def test_one_name_in_two_accounts_is_fine(app: cdk.App) -> None:
    pairs = [
        MultiRegionDsqlDr(cdk.Stage(app, name), "Orders", deployment_name="orders", account=account)
        for name, account in (("Dev", "111111111111"), ("Prod", "222222222222"))
    ]
    assert [pair.deployment_name for pair in pairs] == ["orders", "orders"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"secondary_region": "us-east-1"}, "a pair needs two different Regions"),
        ({"witness_region": "us-west-2"}, "the witness must outlive the loss of either cluster"),
        ({"secondary_region": "eu-west-1"}, "Aurora DSQL peers on one continent only"),
        ({"witness_region": "us-west-1"}, "AWS offers no Aurora DSQL"),
        ({"primary_region": "us-nowhere-9"}, "is no AWS Region"),
        ({"primary_region": cdk.Aws.REGION}, "the stacks need their Regions at synth"),
        ({"deployment_name": "Orders/EU"}, "give deployment_name='Orders-EU'"),
        ({"environment_name": "x" * 60}, "at most 44 fit a function name"),
        (
            {
                "removal_policy": cdk.RemovalPolicy.DESTROY,
                "cluster_options": ClusterOptions(deletion_protection=True),
            },
            "leave deletion_protection out, or keep the cluster",
        ),
        ({"cluster_options": ClusterOptions(peering_timeout=cdk.Duration.hours(3))}, "1 to 50 minutes are allowed"),
    ],
)
def test_bad_input_is_refused_at_synth_with_what_to_do(app: cdk.App, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        MultiRegionDsqlDr(app, "Orders", **options)


NAMES = st.text("aZ9-_", min_size=1, max_size=14) | st.sampled_from(["Orders", "prod", "x" * 60, "a/b", "ä", "a b", ""])


@settings(max_examples=40)
@given(id=NAMES.filter(bool), environment_name=NAMES.filter(bool), stage=st.sampled_from(["", "Prod", "x" * 100]))
def test_any_names_give_valid_ones_or_are_refused_with_a_sentence(id: str, environment_name: str, stage: str) -> None:
    app = cdk.App()
    stack_name = "-".join(part for part in (stage, id, "SecondaryMonitoring", environment_name) if part)
    deployment_name = "-".join(part for part in (stage, id, environment_name) if part)
    good = re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,127}", stack_name) and re.fullmatch(
        "[A-Za-z0-9_-]{1,44}", deployment_name
    )

    def make() -> MultiRegionDsqlDr:
        return MultiRegionDsqlDr(cdk.Stage(app, stage) if stage else app, id, environment_name=environment_name)

    if not good:  # and never with a trace of the CDK's
        with pytest.raises(ValueError, match=r"^(The deployment name|A stack would be called) .*(allowed|at most)"):
            make()
        return
    pair = make()
    assert pair.deployment_name == deployment_name
    assert all(len(stack.stack_name) <= 128 for stack in pair.stacks)
    assert all(len(name) <= 255 for alarms in pair.alarms.values() for name in alarms.names)


def test_upgrading_lists_what_a_change_of_a_parameter_replaces() -> None:
    assert table() in (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text()


def test_every_parameter_is_in_that_table() -> None:
    signature = inspect.signature(MultiRegionDsqlDr.__init__)
    of_the_pair = {name for name, one in signature.parameters.items() if one.kind is one.KEYWORD_ONLY}
    told = {name.strip("`") for name in CHANGES}
    options = {
        "backup": BackupOptions,
        "cluster_options": ClusterOptions,
        "failover": FailoverOptions,
        "stack_options": StackOptions,
        "monitoring": MonitoringOptions,
    }
    assert of_the_pair - told == {"account", "cluster_options", "stack_options"}
    for name, kind in options.items():
        assert {f"{name}`: `{one.name}" for one in fields(kind)} <= told


def test_same_app_synthesized_twice_is_the_same_to_the_letter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So `cdk diff` of an app against itself is empty, on another day and from another folder."""
    found = []
    for now, folder in ((1.0e9, tmp_path / "one"), (1.1e9, tmp_path / "two")):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(now)))
        app = cdk.App(outdir=str(folder))
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(witness_observer=True))
        app.synth()
        templates = {one.name: one.read_text() for one in folder.glob("*.template.json")}
        assets = {one.name: one.read_text() for one in folder.glob("*.assets.json")}
        found.append((templates, assets))
    assert len(found[0][0]) == 5
    assert found[0] == found[1]


def test_two_deployments_in_one_account_share_no_name() -> None:
    environments = ("blue", "green")
    pairs = [
        MultiRegionDsqlDr(
            cdk.App(), "Orders", environment_name=one, monitoring=MonitoringOptions(witness_observer=True)
        )
        for one in environments
    ]
    names = ("AlarmName", "DashboardName", "FunctionName", "Name")
    found = []
    for pair in pairs:
        given = {
            (stack.region, one["Type"], one["Properties"][name])
            for stack in pair.stacks
            for one in resources(stack).values()
            for name in names
            if isinstance(one.get("Properties", {}).get(name), str)
        }
        found.append(given | {(stack.region, "stack", stack.stack_name) for stack in pair.stacks})
    assert len(found[0]) > 40
    assert found[0] & found[1] == set()


def test_assets_are_the_same_from_another_folder_on_another_day_beside_another_pythons_byte_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashes() -> set[str]:
        pair = MultiRegionDsqlDr(cdk.App(), "Orders")
        found = [
            one["Properties"]["Code"]["S3Key"]
            for stack in pair.stacks
            for one in resources(stack).values()
            if one["Type"] == "AWS::Lambda::Function"
        ]
        return set(found)

    before = hashes()
    copy = tmp_path / "sources"
    shutil.copytree(runtime_function._CODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for one in copy.rglob("*.py"):
        os.utime(one, (0, 0))
    package = copy / "runtime" / "health_monitor"
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "watch.cpython-314.pyc").write_bytes(b"another")
    monkeypatch.setattr(runtime_function, "_CODE", copy)
    assert hashes() == before
    (package / "watch.py").write_text("changed")
    assert hashes() != before


# keys and networks of the user's


def keys_in(app: cdk.App, *regions: str) -> dict[str, kms.IKey]:
    stacks = [cdk.Stack(app, f"Keys-{region}", env=cdk.Environment(region=region)) for region in regions]
    return {stack.region: kms.Key(stack, "Key", enable_key_rotation=True) for stack in stacks}


def key_of(app: cdk.App, region: str) -> kms.IKey:
    stack = app.node.find_child(f"Keys-{region}")
    assert isinstance(stack, cdk.Stack)
    return kms.Key(stack, "Another", enable_key_rotation=True)


def test_own_keys_encrypt_everything_that_keeps_something_in_their_region(app: cdk.App) -> None:
    keys = keys_in(app, "us-east-1", "us-west-2")
    pair = MultiRegionDsqlDr(app, "Orders", encryption_keys=keys)
    encrypted = {
        "AWS::DSQL::Cluster": "KmsEncryptionKey",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
    }
    for stack in pair.stacks:
        own = f"Keys-{stack.region}:ExportsOutputFnGetAttKey"
        found = [one for one in resources(stack).values() if one["Type"] in encrypted]
        assert found
        for one in found:
            assert own in str(one["Properties"][encrypted[one["Type"]]])
        assert "AWS::KMS::Key" not in {one["Type"] for one in resources(stack).values()}
    for region, key in keys.items():
        [resource] = resources(cdk.Stack.of(key)).values()
        _account, *statements = resource["Properties"]["KeyPolicy"]["Statement"]
        admitted = sorted(one["Principal"]["Service"] for one in statements)
        dsql = ["dsql.amazonaws.com"] * 2
        assert admitted == ["cloudwatch.amazonaws.com", *dsql, f"logs.{region}.amazonaws.com"]


def test_options_of_a_monitor_go_to_the_one_in_their_region(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app, "Orders", monitoring=MonitoringOptions(monitor_options={"us-west-2": MonitorOptions(memory_size=512)})
    )
    memory = {
        region: next(
            one["Properties"]["MemorySize"]
            for one in resources(cdk.Stack.of(monitor)).values()
            if one["Type"] == "AWS::Lambda::Function" and one["Properties"].get("FunctionName")
        )
        for region, monitor in pair.monitors.items()
    }
    assert memory == {"us-east-1": 256, "us-west-2": 512}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            lambda app: {"encryption_keys": keys_in(app, "us-east-1")},
            "one key is needed for each of us-east-1",
        ),
        (
            lambda app: {"encryption_keys": {**keys_in(app, "us-east-1"), "us-west-2": key_of(app, "us-east-1")}},
            "a key of us-east-1 for us-west-2: a key serves its own Region only",
        ),
        (
            lambda app: {"account": "111111111111", "encryption_keys": keys_in(app, "us-east-1", "us-west-2")},
            "which is in a stack of no account, and the pair is in 111111111111: give both the same",
        ),
        (
            lambda app: {"monitoring": MonitoringOptions(monitor_options={"us-east-2": MonitorOptions(tracing=True)})},
            "are in us-east-1, us-west-2 only",
        ),
    ],
)
def test_keys_and_options_of_other_regions_are_refused(app: cdk.App, options: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionDsqlDr(app, "Orders", **options(app))
