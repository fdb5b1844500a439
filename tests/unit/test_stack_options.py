from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import cx_api

from dsql_dr_constructs import MultiRegionDsqlDr, MultiRegionMonitoring, StackOptions

ORDERS = StackOptions(synthesizer=cdk.DefaultStackSynthesizer(qualifier="orders"), termination_protection=True)
"""One synthesizer for every stack of every app below."""


def qualifiers(assembly: cx_api.CloudAssembly) -> dict[str, set[str]]:
    """By stack, those of the bootstrap resources that its deployment names."""
    found = {}
    for stack in assembly.stacks_recursively:
        assets = json.loads(Path(stack.template_full_path.replace(".template.json", ".assets.json")).read_text())
        buckets = [where["bucketName"] for file in assets["files"].values() for where in file["destinations"].values()]
        roles = [stack.assume_role_arn or "", stack.cloud_formation_execution_role_arn or ""]
        named = [*(one.split("-")[1] for one in buckets), *(one.split("/cdk-")[1].split("-")[0] for one in roles)]
        found[stack.stack_name] = set(named)
    return found


@pytest.mark.parametrize("stage", ["", "Prod"])
def test_one_synthesizer_serves_all_stacks_of_the_pair(app: cdk.App, stage: str) -> None:
    scope = cdk.Stage(app, stage) if stage else app
    pair = MultiRegionDsqlDr(scope, "Orders", stack_options=ORDERS)
    found = qualifiers(app.synth())
    assert len(found) == 4
    assert found == {stack.stack_name: {"orders"} for stack in pair.stacks}


def test_without_options_the_bootstrap_resources_are_the_cdks_and_the_stacks_can_be_deleted(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    assert qualifiers(app.synth()) == {stack.stack_name: {"hnb659fds"} for stack in pair.stacks}
    assert [stack.termination_protection for stack in pair.stacks] == [False] * 4


def test_termination_protection_is_that_of_all_stacks(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", stack_options=ORDERS)
    watch = MultiRegionMonitoring(app, "Other", deployment_name="other", stack_options=ORDERS)
    assert [stack.termination_protection for stack in (*pair.stacks, *watch.stacks)] == [True] * 6


class OfOneStack(cdk.StackSynthesizer):
    """As the CDK documents it, and without `reusable_bind`."""

    def synthesize(self, session: cdk.ISynthesisSession) -> None:
        raise NotImplementedError

    def add_file_asset(self, **asset: Any) -> Any:
        raise NotImplementedError

    def add_docker_image_asset(self, **asset: Any) -> Any:
        raise NotImplementedError


class Derived(cdk.DefaultStackSynthesizer):
    pass


@jsii.implements(cdk.IStackSynthesizer)
class OfPython:
    """What the CDK requires, and none of the interface's optional properties."""

    def __init__(self) -> None:
        self.bound: list[str] = []

    def bind(self, stack: cdk.Stack) -> None:
        self.bound.append(stack.node.id)

    def synthesize(self, session: Any) -> None:
        pass

    def add_file_asset(self, asset: Any) -> cdk.FileAssetLocation:
        url = "https://s3.us-east-1.amazonaws.com/code-of-orders/code.zip"
        return cdk.FileAssetLocation(
            bucket_name="code-of-orders",
            object_key="code.zip",
            http_url=url,
            s3_object_url="s3://code-of-orders/code.zip",
        )

    def add_docker_image_asset(self, asset: Any) -> Any:
        raise NotImplementedError


def test_a_synthesizer_of_python_is_taken_as_the_cdk_takes_it(app: cdk.App) -> None:
    synthesizer: Any = OfPython()
    pair = MultiRegionDsqlDr(app, "Orders", stack_options=StackOptions(synthesizer=synthesizer))
    assert synthesizer.bound == [stack.node.id for stack in pair.stacks]


@pytest.mark.parametrize("make", [Derived, cdk.LegacyStackSynthesizer, cdk.CliCredentialsStackSynthesizer])
def test_every_reusable_synthesizer_serves_the_pair(app: cdk.App, make: Callable[[], cdk.IStackSynthesizer]) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", stack_options=StackOptions(synthesizer=make()))
    assert len(pair.stacks) == 4


ONE_STACK = (
    "In MultiRegionDsqlDr 'Orders', the synthesizer serves one Stack only, and a pair has several: give a Default"
)
NO_ASSETS = (
    "In ClusterPeering 'Peering', the synthesizer of the stack takes no assets, and the code of a Lambda function"
)


@pytest.mark.parametrize(("make", "sentence"), [(OfOneStack, ONE_STACK), (cdk.BootstraplessSynthesizer, NO_ASSETS)])
def test_a_synthesizer_that_cannot_serve_the_pair_is_refused_with_what_to_give(
    app: cdk.App, make: Callable[[], cdk.IStackSynthesizer], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionDsqlDr(app, "Orders", stack_options=StackOptions(synthesizer=make()))


def test_the_apps_own_synthesizer_is_refused_in_the_same_way() -> None:
    app = cdk.App(default_stack_synthesizer=cdk.BootstraplessSynthesizer())
    with pytest.raises(ValueError, match=NO_ASSETS):
        MultiRegionDsqlDr(app, "Orders")
