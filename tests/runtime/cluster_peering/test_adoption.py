"""A cluster that exists is compared with the app and tagged; the one that the stack had before is protected or kept."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dsql_dr_constructs.runtime.cluster_peering import handler
from dsql_dr_constructs.runtime.cluster_peering.adoption import Adoption
from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.repair import Repair
from dsql_dr_constructs.runtime.cluster_peering.teardown import Teardown
from tests.runtime.cluster_peering.hand_made_aws import (
    ADOPTING,
    LOCAL,
    LOCAL_ID,
    OTHER_LOCAL,
    OTHER_PEER,
    OURS,
    PEER,
    STACK,
    THIRD,
    HandMadeAws,
    Killed,
)

TAGS = {**OURS, "team": "orders"}
CREATED = "ClusterEB0386A7"
ENVIRONMENT = {
    "CLUSTER_ARN": LOCAL,
    "PEER_ARN": PEER,
    "WITNESS_REGION": "us-east-2",
    "TAGS": json.dumps(TAGS),
    "STACK_ID": STACK,
    "FORMER_LOGICAL_ID": CREATED,
}
OTHER_ID = OTHER_LOCAL.rpartition("/")[2]
THIRD_ID = "third".ljust(26, "0")
EVERY_WRITE = 2 + 16


@pytest.fixture
def aws() -> HandMadeAws:
    """A pair that nobody tagged."""
    return HandMadeAws().peered()


def had(aws: HandMadeAws, *, protected: bool = True, status: str = "UPDATE_COMPLETE") -> None:
    """The stack has a cluster of its own from before, peered with that of the peer's stack, and with its tags."""
    aws.add_cluster(OTHER_LOCAL, peers=[OTHER_PEER], tags=OURS)
    aws.add_cluster(OTHER_PEER, peers=[OTHER_LOCAL], tags=OURS)
    aws.clusters[OTHER_LOCAL]["protected"] = protected
    aws.physical_ids[STACK, CREATED] = OTHER_ID
    aws.resource_status = status


def adopt(aws: HandMadeAws, request_type: str = "Create", seconds: float = 240.0, **more: Any) -> dict[str, Any]:
    """As a new process of the function does it."""
    environment = {**ENVIRONMENT, **more.pop("environment", {})}

    def sleep(waited: float) -> None:
        aws.now += waited

    event = {"RequestType": request_type, **more}
    return Adoption(event, environment, aws.client, clock=lambda: aws.now, sleep=sleep, seconds=seconds).run()


def test_adopted_cluster_gets_the_tags_of_the_app_and_keeps_its_own(aws: HandMadeAws) -> None:
    aws.clusters[LOCAL]["tags"] = {"Name": "restored", "team": "nobody"}
    answer = adopt(aws)
    assert aws.clusters[LOCAL]["tags"] == {"Name": "restored", **TAGS}
    assert aws.writes == [("tag_resource", "us-west-2")], "nothing else is changed, and nothing of the peer"
    assert answer == {
        "PhysicalResourceId": LOCAL_ID,
        "Data": {"FormerClusterArn": "none", "VpcEndpointServiceName": f"com.amazonaws.us-west-2.dsql-{LOCAL_ID}"},
    }


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_where_nothing_differs_nothing_is_written(aws: HandMadeAws, request_type: str) -> None:
    aws.clusters[LOCAL]["tags"] = dict(TAGS)
    adopt(aws, request_type, PhysicalResourceId=LOCAL_ID)
    assert aws.writes == []


def test_killed_after_its_one_change_and_tried_again_it_reaches_the_same_end(aws: HandMadeAws) -> None:
    had(aws)
    aws.killed_after = 1
    with pytest.raises(Killed):
        adopt(aws)
    assert adopt(aws)["Data"]["FormerClusterArn"] == OTHER_LOCAL
    assert aws.writes == [("tag_resource", "us-west-2")]


def test_delete_does_nothing(aws: HandMadeAws) -> None:
    assert adopt(aws, "Delete", PhysicalResourceId=LOCAL_ID) == {"PhysicalResourceId": LOCAL_ID}
    assert aws.calls == []


# what is refused


@pytest.mark.parametrize("arn", [LOCAL, PEER])
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"status": "DELETING"}, "is DELETING. Give the ARNs of two clusters of this account that exist"),
        ({"status": "PENDING_DELETE"}, "is PENDING_DELETE. Give the ARNs of two"),
        ({"status": "FAILED"}, "is FAILED. Give the ARNs of two"),
        ({"witness": ""}, "which is a single-Region cluster, and Aurora DSQL cannot make it one of a pair"),
        (
            {"witness": "ca-central-1"},
            'whose witness is ca-central-1, and the app\'s is us-east-2. Give witness_region="ca-central-1"',
        ),
        (
            {"tags": {"dsql-dr:deployment": "Billing"}},
            "says that it is one of pair 'Billing', and this pair is 'Orders-production'. .* aws dsql untag-resource",
        ),
    ],
)
def test_cluster_of_either_region_that_is_no_side_of_this_pair_is_refused_before_any_change(
    aws: HandMadeAws, arn: str, changed: dict[str, Any], sentence: str
) -> None:
    aws.clusters[arn].update(changed)
    with pytest.raises(
        PeeringError, match=rf"^Adoption of {LOCAL} failed: cluster_arns has {arn}, (and )?.*{sentence}"
    ):
        adopt(aws)
    assert aws.writes == []


@pytest.mark.parametrize("arn", [LOCAL, PEER])
def test_cluster_that_does_not_exist_is_refused(aws: HandMadeAws, arn: str) -> None:
    del aws.clusters[arn]
    with pytest.raises(PeeringError, match=f"cluster_arns has {arn}, and .* is not found. Give the ARNs"):
        adopt(aws)
    assert aws.writes == []


def test_restored_copy_that_carries_this_deployments_tags_is_adopted(aws: HandMadeAws) -> None:
    for arn in (LOCAL, PEER):
        aws.clusters[arn]["tags"] = {**OURS, "dsql-dr:pair": "of the app before"}
    adopt(aws)
    assert aws.clusters[LOCAL]["tags"] == TAGS


def test_pair_of_these_stacks_gets_another_deployment_name(aws: HandMadeAws) -> None:
    for arn in (LOCAL, PEER):
        aws.clusters[arn]["tags"] = {**OURS, "dsql-dr:deployment": "Former"}
    adopt(aws)
    assert aws.clusters[LOCAL]["tags"] == TAGS


@pytest.mark.parametrize(
    ("of", "third"), [(LOCAL, PEER), (PEER, LOCAL), (LOCAL, PEER.replace("us-east-1", "eu-west-1"))]
)
def test_pair_that_serves_is_not_taken_apart(aws: HandMadeAws, of: str, third: str) -> None:
    stranger = re.sub("[a-z0-9]{26}$", THIRD_ID, third)
    aws.add_cluster(stranger, peers=[of])
    aws.clusters[of]["peers"] = [of, stranger]
    with pytest.raises(PeeringError, match=f"cluster_arns has {of}, which is peered with {stranger}, and that is not"):
        adopt(aws)
    assert aws.writes == []


def test_peer_that_is_gone_or_names_another_one_is_no_obstacle(aws: HandMadeAws) -> None:
    gone, elsewhere = (PEER.replace(PEER.rpartition("/")[2], letter * 26) for letter in "gh")
    aws.add_cluster(elsewhere)
    aws.clusters[LOCAL]["peers"] = [LOCAL, gone, elsewhere]
    adopt(aws)
    assert aws.clusters[LOCAL]["tags"] == TAGS


# the cluster that the stack had before


def test_former_cluster_without_protection_is_refused_with_both_ways_to_go_on(aws: HandMadeAws) -> None:
    had(aws, protected=False)
    with pytest.raises(PeeringError) as refused:
        adopt(aws)
    assert re.search(
        f"cluster {OTHER_LOCAL}, which this stack created, has deletion protection disabled.*aws dsql update-cluster "
        rf"--region us-west-2 --identifier {OTHER_ID} --deletion-protection-enabled.*removal_policy="
        "RemovalPolicy.RETAIN",
        str(refused.value),
    )
    assert aws.writes == []


def test_own_cluster_that_is_adopted_has_to_be_protected_and_is_no_former_one(aws: HandMadeAws) -> None:
    aws.physical_ids[STACK, CREATED] = LOCAL_ID
    with pytest.raises(PeeringError, match=f"cluster {LOCAL}, .* has deletion protection disabled"):
        adopt(aws)
    aws.clusters[LOCAL]["protected"] = True
    assert adopt(aws)["Data"]["FormerClusterArn"] == "none"


@pytest.mark.parametrize("status", ["DELETE_SKIPPED", "DELETE_COMPLETE", "DELETE_FAILED"])
def test_cluster_that_has_left_the_stack_needs_no_protection(aws: HandMadeAws, status: str) -> None:
    had(aws, protected=False, status=status)
    assert adopt(aws)["Data"]["FormerClusterArn"] == "none"


def test_former_cluster_that_somebody_deleted_is_no_obstacle(aws: HandMadeAws) -> None:
    had(aws, protected=False)
    del aws.clusters[OTHER_LOCAL]
    assert adopt(aws)["Data"]["FormerClusterArn"] == OTHER_LOCAL


def test_former_cluster_is_named_until_another_one_is_adopted(aws: HandMadeAws) -> None:
    had(aws)
    first = adopt(aws)
    assert first["Data"]["FormerClusterArn"] == OTHER_LOCAL
    del aws.physical_ids[STACK, CREATED]  # the update is complete
    again = adopt(aws, "Update", PhysicalResourceId=first["PhysicalResourceId"])
    assert again == first

    third = LOCAL.replace(LOCAL_ID, THIRD_ID)
    aws.add_cluster(third, peers=[PEER])
    aws.clusters[PEER]["peers"] = []
    changed = {"CLUSTER_ARN": third}
    aws.stack_status = "UPDATE_IN_PROGRESS"
    second = adopt(aws, "Update", PhysicalResourceId=first["PhysicalResourceId"], environment=changed)
    assert second["Data"]["FormerClusterArn"] == LOCAL

    aws.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    back = adopt(aws, "Update", PhysicalResourceId=second["PhysicalResourceId"])
    assert back == first, "what could not be adopted is no former one"
    aws.stack_status = "UPDATE_IN_PROGRESS"
    chosen = adopt(aws, "Update", PhysicalResourceId=second["PhysicalResourceId"])
    assert chosen["Data"]["FormerClusterArn"] == third


def test_physical_id_does_not_grow_without_end(aws: HandMadeAws) -> None:
    history = "/".join(str(number).ljust(26, "x") for number in range(100))
    answer = adopt(aws, "Update", PhysicalResourceId=history)
    assert len(answer["PhysicalResourceId"]) <= 1024
    assert answer["Data"]["FormerClusterArn"].endswith(history.rpartition("/")[2])


# waiting


def test_cluster_that_is_being_created_is_waited_for(aws: HandMadeAws) -> None:
    aws.add_cluster(PEER)
    aws.clusters[PEER]["status"] = "CREATING"
    assert adopt(aws)["PhysicalResourceId"] == LOCAL_ID
    assert aws.now == 1002


@pytest.mark.parametrize(
    ("call", "region"),
    [
        ("get_cluster", "us-west-2"),
        ("get_cluster", "us-east-1"),
        ("describe_stack_resource", "us-west-2"),
        ("tag_resource", "us-west-2"),
        ("get_vpc_endpoint_service_name", "us-west-2"),
    ],
)
@pytest.mark.parametrize("error", ["AccessDeniedException", "ThrottlingException", "ConflictException"])
def test_permission_that_comes_late_and_a_busy_service_are_waited_for(
    aws: HandMadeAws, call: str, region: str, error: str
) -> None:
    aws.fail(call, region, error, times=3)
    assert adopt(aws)["PhysicalResourceId"] == LOCAL_ID
    assert aws.now == 1006
    assert aws.clusters[LOCAL]["tags"] == TAGS


def test_denial_that_stays_is_an_error_that_names_the_call(aws: HandMadeAws) -> None:
    aws.fail("tag_resource", "us-west-2", "AccessDeniedException", times=1000)
    with pytest.raises(PeeringError, match=f"Adoption of {LOCAL} failed: TagResource on {LOCAL} was denied"):
        adopt(aws)
    assert 1120 < aws.now < 1130


def test_service_that_stays_busy_is_an_error_before_the_function_ends(aws: HandMadeAws) -> None:
    aws.fail("get_cluster", "us-east-1", "ThrottlingException", times=1000)
    with pytest.raises(PeeringError, match=r"still not done after 240 s: GetCluster on .* was answered by Throttling"):
        adopt(aws)
    assert aws.now <= 1240


def test_service_name_that_is_refused_is_no_reason_to_fail(aws: HandMadeAws) -> None:
    aws.fail("get_vpc_endpoint_service_name", "us-west-2", "ValidationException")
    assert adopt(aws)["Data"]["VpcEndpointServiceName"] == "unknown"


def test_function_adopts_the_cluster_of_its_environment(aws: HandMadeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "_client", aws.client)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    forged = {"ClusterArn": OTHER_LOCAL, "PeerArn": OTHER_PEER, "Tags": json.dumps({"team": "evil"})}
    answer = handler.adopt({"RequestType": "Create", "ResourceProperties": forged}, None)
    assert answer["PhysicalResourceId"] == LOCAL_ID
    assert aws.clusters[LOCAL]["tags"] == TAGS


# peering of adopted clusters


def adopting(**environment: str) -> HandMadeAws:
    """A pair of adopted clusters that are not peered; the parameters name the former ones, which live."""
    aws = HandMadeAws()
    aws.environment = {**ADOPTING, **environment}
    had(aws)
    for arn in (LOCAL, PEER):
        aws.clusters[arn]["tags"] = dict(OURS)
    for registry in ("us-east-1", "us-west-2"):
        for region, arn in (("us-east-1", OTHER_PEER), ("us-west-2", OTHER_LOCAL)):
            aws.parameters[registry, f"/dsql-dr/Orders-production/{region}/arn"] = arn
    aws.stack_status = "UPDATE_IN_PROGRESS"
    return aws


def peer(aws: HandMadeAws, event: dict[str, Any] | None = None) -> dict[str, Any]:
    event = event or aws.event("Update")
    for _ in range(100):
        answer = Peering(event, pair=aws.pair(), clock=lambda: aws.now).step()
        if answer["IsComplete"]:
            return answer
        aws.now += 10.0
    raise AssertionError("polled for ever")


def named(aws: HandMadeAws) -> set[str]:
    return {value for (_, name), value in aws.parameters.items() if name.endswith("/arn")}


def assert_adopted(aws: HandMadeAws) -> None:
    assert named(aws) == {LOCAL, PEER}
    assert len(aws.parameters) == 16
    assert [aws.clusters[one]["peers"] for one in (PEER, LOCAL)] == [[PEER, LOCAL], [LOCAL, PEER]]
    assert aws.clusters[OTHER_LOCAL]["peers"] == [OTHER_LOCAL, OTHER_PEER], "the former pair is as it was"


def test_parameters_follow_from_the_former_pair_to_the_adopted_one() -> None:
    aws = adopting()
    peer(aws)
    assert_adopted(aws)
    asked = {call.arguments["StackName"] for call in aws.record if call.service == "cloudformation"}
    assert asked == set(), "the peer is in the template"


@pytest.mark.parametrize("writes", range(1, EVERY_WRITE + 1))
def test_peering_killed_anywhere_and_tried_again_reaches_the_same_end(writes: int) -> None:
    aws = adopting()
    aws.killed_after = writes
    with pytest.raises(Killed):
        peer(aws)
    peer(aws)
    assert_adopted(aws)
    assert len(aws.writes) == EVERY_WRITE


@pytest.mark.parametrize("peered", [True, False])
@pytest.mark.parametrize("tags", [{}, {"dsql-dr:deployment": "Billing"}, {**OURS, "dsql-dr:pair": "theirs"}], ids=str)
def test_parameters_of_another_deployment_are_not_taken(tags: dict[str, str], peered: bool) -> None:
    """For a peered pair, any but those of a pair with the same deployment name are taken for forged, as ever."""
    aws = adopting()
    for arn in (OTHER_LOCAL, OTHER_PEER):
        aws.clusters[arn]["tags"] = tags
    if peered:
        aws.add_cluster(LOCAL, peers=[PEER], tags=OURS)
        aws.add_cluster(PEER, peers=[LOCAL], tags=OURS)
    if peered and tags.get("dsql-dr:pair") != "theirs":
        peer(aws)
        assert_adopted(aws)
        return
    with pytest.raises(PeeringError, match="another deployment uses the name Orders-production, so no parameter was"):
        peer(aws)
    assert aws.writes == []


def test_former_pair_that_is_gone_is_no_obstacle() -> None:
    aws = adopting()
    del aws.clusters[OTHER_LOCAL], aws.clusters[OTHER_PEER]
    peer(aws)
    assert named(aws) == {LOCAL, PEER}


def test_running_pair_with_a_third_cluster_is_not_broken() -> None:
    aws = adopting()
    aws.add_cluster(LOCAL, peers=[THIRD], tags=OURS)
    aws.add_cluster(THIRD, peers=[LOCAL])
    with pytest.raises(PeeringError, match=f"cluster {LOCAL} is peered with {THIRD}, and to peer it with {PEER} would"):
        peer(aws)
    assert aws.writes == []


def test_repair_peers_adopted_clusters_again() -> None:
    aws = adopting()
    peer(aws)
    aws.clusters[PEER].update(peers=[], status="ACTIVE")

    def sleep(seconds: float) -> None:
        aws.now += seconds

    answer = Repair(pair=aws.pair(), clock=lambda: aws.now, sleep=sleep, seconds=60).run()
    assert answer["done"]
    assert_adopted(aws)


@pytest.mark.parametrize("stack_status", ["ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_no_end_of_the_stack_takes_an_adopted_pair_apart(
    stack_status: str, finished: bool, removal_policy: str
) -> None:
    aws = adopting(REMOVAL_POLICY=removal_policy)
    peer(aws)
    aws.writes.clear()
    aws.stack_status = stack_status
    if not finished:
        aws.physical_ids[STACK, "Peering"] = "dsql-dr/Orders-production/unfinished"
    event = aws.event("Delete")
    assert Teardown(event, pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]
    assert {name for name, _ in aws.writes} == {"delete_parameters"}
    assert aws.clusters[LOCAL]["peers"] == [LOCAL, PEER]


# from adopted to created again


def test_new_clusters_in_the_stacks_are_refused_with_the_pair_to_adopt_again() -> None:
    aws = HandMadeAws()
    had(aws)
    aws.parameters = adopting().parameters
    before = dict(aws.parameters)
    with pytest.raises(PeeringError) as refused:
        peer(aws)
    assert re.search(
        f"names {OTHER_PEER}, which exists and has this pair's tags.*give cluster_arns="
        + re.escape(f"{[OTHER_PEER, OTHER_LOCAL]}")
        + ".*without its data, run aws ssm delete-parameters --region us-east-1 --names .* then try again",
        str(refused.value),
    )
    assert (aws.parameters, aws.writes) == (before, [])


def test_rollback_of_the_second_stack_ends_where_the_first_one_has_adopted_its_cluster() -> None:
    aws = HandMadeAws()
    del aws.physical_ids["Orders-Primary", "Cluster"]
    aws.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert peer(aws) == {"IsComplete": True, "Data": {}}
    assert aws.writes == []
    aws.stack_status = "UPDATE_IN_PROGRESS"
    with pytest.raises(PeeringError, match="There is no cluster in stack Orders-Primary"):
        peer(aws)
