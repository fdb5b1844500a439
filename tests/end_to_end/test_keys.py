"""Keys of the user's: their policies decide in the emulator as in AWS."""

from __future__ import annotations

import json
from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT
from tests.end_to_end.drill import Drill
from tests.end_to_end.project import DESTROY, Project

REGIONS = ("us-east-1", "us-west-2")


def own_keys(without: str | None = None) -> Callable[[cdk.App], None]:
    """A pair under keys of its app; their policies lack the statements for the service *without*."""

    def build(app: cdk.App) -> None:
        keys = {}
        for region in REGIONS:
            stack = cdk.Stack(app, f"Keys-{region}", env=cdk.Environment(account=ACCOUNT, region=region))
            keys[region] = kms.Key(stack, "Key", removal_policy=DESTROY)
        MultiRegionDsqlDr(
            app,
            "Orders",
            account=ACCOUNT,
            removal_policy=DESTROY,
            encryption_keys=keys,
            alert_emails=["ops@example.com"],
        )
        taken = 0
        for key in keys.values():
            resource = key.node.default_child
            assert isinstance(resource, kms.CfnKey)
            policy = cdk.Stack.of(key).resolve(resource.key_policy)
            kept = [one for one in policy["Statement"] if not without or one["Principal"].get("Service") != without]
            taken += len(policy["Statement"]) - len(kept)
            resource.key_policy = {**policy, "Statement": kept}
        assert bool(taken) == bool(without)

    return build


def test_pair_under_own_keys_is_deployed_and_a_cluster_that_loses_its_key_is_seen_down(project: Project) -> None:
    project.deploy(own_keys())
    project.assert_peered()
    encryption = [one["encryptionDetails"] for one in project.clusters().values()]
    assert {one["encryptionType"] for one in encryption} == {"CUSTOMER_MANAGED_KMS_KEY"}
    assert {one["encryptionStatus"] for one in encryption} == {"ENABLED"}
    drill = Drill(project.aws)
    assert [one["verdict"] for one in drill.verdicts()] == ["HEALTHY", "HEALTHY"]

    client = project.aws.client("kms", "us-west-2")
    key = project.clusters()["us-west-2"]["encryptionDetails"]["kmsKeyArn"]
    policy = json.loads(client.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    lost = [one for one in policy["Statement"] if one["Principal"].get("Service") != "dsql.amazonaws.com"]
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({**policy, "Statement": lost}))
    seen = drill.verdicts()
    assert [(one["verdict"], one["regions_down"]) for one in seen] == [("CLUSTER_DOWN", ["us-west-2"])] * 2
    assert "encryption status is KMS_KEY_INACCESSIBLE" in str(seen[0]["clusters"][1]["problems"])

    client.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert [one["verdict"] for one in drill.verdicts()] == ["HEALTHY", "HEALTHY"]
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        ("dsql.amazonaws.com", "kms:Decrypt"),
        ("logs.us-west-2.amazonaws.com", "logs.us-west-2.amazonaws.com"),
    ],
)
def test_statement_that_a_key_lacks_fails_the_deployment_by_its_name(
    project: Project, service: str, sentence: str
) -> None:
    with pytest.raises(CdkError):
        project.deploy(own_keys(service))
    assert sentence in "\n".join(survey.failures(project.aws))
