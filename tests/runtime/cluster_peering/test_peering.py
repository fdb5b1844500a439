from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from dsql_dr_constructs.runtime.cluster_peering.pair import Pair
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from tests.runtime.cluster_peering.hand_made_aws import (
    FINISHED,
    LOCAL,
    LOCAL_ID,
    OTHER_LOCAL,
    OTHER_PEER,
    PEER,
    PEER_ID,
    PEER_STACK,
    THIRD,
    UNFINISHED,
    HandMadeAws,
    Killed,
    answering,
)

POLL = 10.0
EVERY_WRITE = 2 + 16
"""Two UpdateClusters; eight SSM parameters in each of two Regions."""


def peering(aws: HandMadeAws, event: dict[str, Any]) -> Peering:
    return Peering(event, pair=aws.pair(), clock=lambda: aws.now)


def poll(aws: HandMadeAws, event: dict[str, Any]) -> dict[str, Any]:
    """Step by step, each time as a new process, until the framework would stop polling."""
    for _ in range(400):
        answer = peering(aws, event).step()
        if answer["IsComplete"]:
            return answer
        aws.now += POLL
    raise AssertionError("polled for ever")


@pytest.fixture
def aws() -> HandMadeAws:
    return HandMadeAws()


FORMER = {"OldResourceProperties": {"ParameterRegions": ["us-east-1", "us-west-2", "us-east-2"]}}


def observed_from_the_witness_region(aws: HandMadeAws) -> None:
    """Peered when the witness Region had an observer, which was removed since."""
    regions = aws.environment["PARAMETER_REGIONS"]
    aws.environment["PARAMETER_REGIONS"] = f"{regions},us-east-2"
    poll(aws, aws.event())
    aws.environment["PARAMETER_REGIONS"] = regions


def registered() -> dict[tuple[str, str], str]:
    return {
        (registry, f"/dsql-dr/Orders-production/{region}/{field}"): value
        for registry in ("us-east-1", "us-west-2")
        for region, arn in (("us-east-1", PEER), ("us-west-2", LOCAL))
        for field, value in (
            ("arn", arn),
            ("identifier", arn.rpartition("/")[2]),
            ("endpoint", f"{arn.rpartition('/')[2]}.dsql.{region}.on.aws"),
            ("vpc-endpoint-service-name", f"com.amazonaws.{region}.dsql-{arn.rpartition('/')[2]}"),
        )
    }


def test_both_clusters_have_each_other_as_peers_and_are_in_the_parameters_of_both_regions(aws: HandMadeAws) -> None:
    answer = poll(aws, aws.event())
    assert aws.clusters[PEER]["peers"] == [PEER, LOCAL]
    assert aws.clusters[LOCAL]["peers"] == [LOCAL, PEER]
    assert aws.parameters == registered()
    assert answer["Data"] == {"PeerArn": PEER, "PeerEndpoint": f"{PEER_ID}.dsql.us-east-1.on.aws"}


def test_nothing_is_registered_before_both_serve(aws: HandMadeAws) -> None:
    assert peering(aws, aws.event()).step() == {"IsComplete": False}
    assert aws.parameters == {}


def test_physical_id_is_the_deployments_and_stays(aws: HandMadeAws) -> None:
    begun = peering(aws, aws.event()).begin()
    assert begun == {"PhysicalResourceId": UNFINISHED, "StartedAt": 1000.0}
    assert poll(aws, {**aws.event(), **begun})["PhysicalResourceId"] == FINISHED
    again = {**aws.event("Update"), "PhysicalResourceId": "given"}
    assert peering(aws, again).begin()["PhysicalResourceId"] == "given"
    assert "PhysicalResourceId" not in poll(aws, again)


def test_update_of_a_healthy_pair_writes_nothing(aws: HandMadeAws) -> None:
    poll(aws, aws.event())
    aws.writes.clear()
    assert peering(aws, aws.event("Update")).step()["IsComplete"]
    assert aws.writes == []


@pytest.mark.parametrize("status", ["IDLE", "INACTIVE"])
def test_cluster_without_connections_counts_as_serving(aws: HandMadeAws, status: str) -> None:
    aws.peered().clusters[PEER]["status"] = status
    assert peering(aws, aws.event("Update")).step()["IsComplete"]


@pytest.mark.parametrize("writes", range(1, EVERY_WRITE + 1))
def test_create_killed_anywhere_and_tried_again_reaches_the_same_end(aws: HandMadeAws, writes: int) -> None:
    aws.killed_after = writes
    with pytest.raises(Killed):
        poll(aws, aws.event())
    assert poll(aws, aws.event())["IsComplete"]
    assert aws.parameters == registered()
    assert [aws.clusters[arn]["peers"] for arn in (PEER, LOCAL)] == [[PEER, LOCAL], [LOCAL, PEER]]
    assert len(aws.writes) == EVERY_WRITE, "what was done before the end of the first try is not done again"


def test_peer_that_was_taken_away_is_named_again(aws: HandMadeAws) -> None:
    poll(aws, aws.event())
    aws.clusters[PEER].update(peers=[], status="ACTIVE")
    aws.writes.clear()
    poll(aws, aws.event("Update"))
    assert aws.writes == [("update_cluster", "us-east-1")]
    assert aws.clusters[PEER]["peers"] == [PEER, LOCAL]


def test_cluster_that_was_just_changed_is_waited_for_although_it_served_before(aws: HandMadeAws) -> None:
    poll(aws, aws.event())
    aws.clusters[PEER].update(peers=[], status="ACTIVE")
    aws.parameters.clear()
    assert peering(aws, aws.event("Update")).step() == {"IsComplete": False}
    assert aws.parameters == {}, "nothing is registered while it is UPDATING"


def test_parameters_in_a_region_that_the_update_removed_are_deleted(aws: HandMadeAws) -> None:
    observed_from_the_witness_region(aws)
    assert "us-east-2" in {region for region, _ in aws.parameters}
    poll(aws, aws.event("Update", **FORMER))
    assert aws.parameters == registered()


def test_parameters_that_may_not_be_deleted_are_in_the_log(
    aws: HandMadeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.fail("delete_parameters", "us-east-2", "AccessDeniedException", times=13)
    assert poll(aws, aws.event("Update", **FORMER))["IsComplete"]
    assert "SSM parameters are left in us-east-2: DeleteParameters in us-east-2 was denied" in capsys.readouterr().out
    assert aws.now == 1000 + 120


def test_permission_to_delete_entries_that_comes_late_is_waited_for(
    aws: HandMadeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    observed_from_the_witness_region(aws)
    aws.fail("delete_parameters", "us-east-2", "AccessDeniedException")
    event = aws.event("Update", **FORMER)
    aws.now += 5
    assert peering(aws, event).step() == {"IsComplete": False}
    assert poll(aws, event)["IsComplete"]
    assert aws.parameters == registered()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "seconds"),
    [("AccessDeniedException", 120), ("ResourceNotFoundException", 0), ("ValidationException", 0)],
)
def test_service_name_that_is_refused_is_left_out_and_logged(
    aws: HandMadeAws, error: str, seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    event = aws.peered().event()
    aws.fail("get_vpc_endpoint_service_name", "us-east-1", error, times=seconds // 10 + 1)
    assert poll(aws, event)["IsComplete"]
    assert aws.now == 1000 + seconds
    missing = "/dsql-dr/Orders-production/us-east-1/vpc-endpoint-service-name"
    assert registered().keys() - aws.parameters.keys() == {("us-east-1", missing), ("us-west-2", missing)}
    assert (
        f"No SSM parameter has the VPC endpoint service of {PEER_ID}: GetVpcEndpointServiceName"
        in capsys.readouterr().out
    )
    assert poll(aws, aws.event("Update"))["IsComplete"]
    assert aws.parameters == registered(), "the next deployment writes it"


def test_permission_for_the_service_name_that_comes_late_is_waited_for(
    aws: HandMadeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    event = aws.peered().event()
    aws.fail("get_vpc_endpoint_service_name", "us-east-1", "AccessDeniedException")
    assert peering(aws, event).step() == {"IsComplete": False}
    assert poll(aws, event)["IsComplete"]
    assert aws.parameters == registered()
    assert capsys.readouterr().out == ""


def test_another_witness_is_set_right(aws: HandMadeAws) -> None:
    aws.peered().clusters[LOCAL]["witness"] = "us-east-9"
    poll(aws, aws.event("Update"))
    assert aws.clusters[LOCAL]["witness"] == "us-east-2"


def test_only_the_entry_that_differs_is_written(aws: HandMadeAws) -> None:
    poll(aws, aws.event())
    aws.parameters["us-west-2", "/dsql-dr/Orders-production/us-east-1/endpoint"] = "old.example"
    del aws.parameters["us-east-1", "/dsql-dr/Orders-production/us-west-2/identifier"]
    aws.writes.clear()
    poll(aws, aws.event("Update"))
    assert aws.parameters == registered()
    assert aws.writes == [("put_parameter", "us-east-1"), ("put_parameter", "us-west-2")]


# which cluster is the peer


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_peers_arn_is_made_of_the_local_ones_partition_and_account(partition: str) -> None:
    aws = HandMadeAws(CLUSTER_ARN=LOCAL.replace(":aws:", f":{partition}:").replace("111111111111", "222222222222"))
    expected = PEER.replace(":aws:", f":{partition}:").replace("111111111111", "222222222222")
    assert aws.pair().peer_arn == expected


def test_stack_of_the_peer_that_is_missing_is_named_with_what_to_deploy(aws: HandMadeAws) -> None:
    del aws.physical_ids[PEER_STACK, "Cluster"]
    sentence = f"There is no cluster in stack {PEER_STACK} in us-east-1.*Deploy that stack, then this one"
    with pytest.raises(PeeringError, match=f"{sentence}.*State: no cluster in stack {PEER_STACK}.*; local0+ in us"):
        peering(aws, aws.event()).step()
    assert aws.writes == []


@pytest.mark.parametrize("recorded", ["orders", PEER_ID.upper(), f"{PEER_ID}0", f"{PEER_ID}\n", f"x/{PEER_ID}", "*"])
def test_record_of_cloudformation_that_is_no_identifier_is_refused(aws: HandMadeAws, recorded: str) -> None:
    aws.physical_ids[PEER_STACK, "Cluster"] = recorded
    with pytest.raises(PeeringError, match=rf"{re.escape(repr(recorded))}, which is not a cluster identifier"):
        peering(aws, aws.event()).step()
    assert aws.writes == []


def test_cluster_that_cloudformation_is_still_making_is_none(aws: HandMadeAws) -> None:
    aws.physical_ids[PEER_STACK, "Cluster"] = None
    with pytest.raises(PeeringError, match="There is no cluster in stack"):
        peering(aws, aws.event()).step()


def test_answer_of_another_cluster_is_refused_with_both_arns(aws: HandMadeAws) -> None:
    pair = Pair(aws.environment, answering(aws, arn=OTHER_PEER))
    with pytest.raises(PeeringError, match=f"was answered for '{OTHER_PEER}', and {PEER} was asked for"):
        Peering(aws.event(), pair=pair, clock=lambda: aws.now).step()
    assert aws.writes == []


def test_event_of_somebody_else_says_nothing_of_the_pair(aws: HandMadeAws) -> None:
    forged = {"ClusterArn": OTHER_LOCAL, "PeerRegion": "ca-central-1", "TimeoutSeconds": "1"}
    event = {**aws.event(), "StackId": "other", "ResourceProperties": forged, "OldResourceProperties": forged}
    poll(aws, event)
    assert aws.parameters == registered()
    assert {call.arguments["identifier"] for call in aws.record if call.service == "dsql"} == {PEER_ID, LOCAL_ID}


def test_old_properties_of_somebody_else_delete_nothing_in_other_regions(
    aws: HandMadeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    poll(aws, aws.event("Update", OldResourceProperties={"ParameterRegions": ["ca-central-1", "us-west-2"]}))
    assert "SSM parameters are left in 'ca-central-1'" in capsys.readouterr().out
    assert "delete_parameters" not in {name for name, _ in aws.calls}


# an existing pair is not broken


@pytest.mark.parametrize(("ours", "theirs"), [(LOCAL, OTHER_PEER), (PEER, OTHER_LOCAL), (LOCAL, THIRD), (PEER, THIRD)])
@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_cluster_of_an_existing_pair_is_refused_with_both_arns(
    aws: HandMadeAws, request_type: str, ours: str, theirs: str
) -> None:
    """Also where the other one is in a third Region, where the policy allows no GetCluster."""
    aws.add_cluster(ours, peers=[theirs])
    aws.add_cluster(theirs, peers=[ours])
    before = copy.deepcopy(aws.clusters)
    other = PEER if ours == LOCAL else LOCAL
    with pytest.raises(PeeringError) as failure:
        peering(aws, aws.event(request_type)).step()
    sentence = str(failure.value)
    assert f"cluster {ours} is peered with {theirs}, and to peer it with {other} would break that pair" in sentence
    command = f"aws dsql update-cluster --region {ours.split(':')[3]} --identifier {ours.rpartition('/')[2]} "
    assert command + """--multi-region-properties '{"witnessRegion":"us-east-2","clusters":[]}'""" in sentence
    assert (aws.clusters, aws.writes) == (before, [])
    assert ("get_cluster", "ca-central-1") not in aws.calls


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param({"status": "PENDING_DELETE"}, id="about to be deleted"),
        pytest.param({"status": "DELETING"}, id="being deleted"),
        pytest.param({"peers": []}, id="does not have it as its peer"),
        pytest.param({"peers": [OTHER_PEER, THIRD]}, id="has another peer"),
    ],
)
def test_peer_that_no_longer_makes_a_pair_is_replaced(aws: HandMadeAws, theirs: dict[str, Any]) -> None:
    aws.add_cluster(LOCAL, peers=[OTHER_PEER])
    aws.add_cluster(OTHER_PEER, peers=[LOCAL])
    aws.clusters[OTHER_PEER].update(theirs)
    poll(aws, aws.event("Update"))
    assert [aws.clusters[arn]["peers"] for arn in (PEER, LOCAL)] == [[PEER, LOCAL], [LOCAL, PEER]]


# what passes


@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_cluster_in_transition_is_waited_for(aws: HandMadeAws, status: str) -> None:
    aws.clusters[PEER]["status"] = status
    assert peering(aws, aws.event()).step() == {"IsComplete": False}
    assert aws.writes == []
    assert poll(aws, aws.event())["IsComplete"]


@pytest.mark.parametrize(
    ("call", "region", "error"),
    [
        ("update_cluster", "us-east-1", "ConflictException"),
        ("update_cluster", "us-west-2", "ThrottlingException"),
        ("get_cluster", "us-east-1", "ThrottlingException"),
        ("get_cluster", "us-west-2", "InternalServerException"),
        ("get_parameters", "us-east-1", "ThrottlingException"),
        ("put_parameter", "us-west-2", "TooManyUpdates"),
        ("get_parameters", "us-west-2", "TooManyRequestsException"),
        ("get_vpc_endpoint_service_name", "us-east-1", "ThrottledException"),
        ("describe_stack_resource", "us-east-1", "Throttling"),
        ("get_cluster", "us-east-1", ConnectTimeoutError(endpoint_url="https://dsql")),
    ],
)
def test_transient_answer_is_tried_again(aws: HandMadeAws, call: str, region: str, error: str | Exception) -> None:
    aws.fail(call, region, error, times=3)
    assert poll(aws, aws.event())["IsComplete"]
    assert aws.parameters == registered()


def test_peer_just_created_may_stay_unseen_for_a_while(aws: HandMadeAws) -> None:
    aws.fail("get_cluster", "us-east-1", "ResourceNotFoundException", times=5)
    assert poll(aws, aws.event())["IsComplete"]


@pytest.mark.parametrize("status", [None, "", 5, ["ACTIVE"]])
def test_answer_without_a_status_is_asked_for_again(aws: HandMadeAws, status: object) -> None:
    aws.environment["TIMEOUT_SECONDS"] = "60"
    pair = Pair(aws.environment, answering(aws, status=status))
    step = Peering(aws.event(), pair=pair, clock=lambda: aws.now).step
    assert step() == {"IsComplete": False}
    assert aws.writes == []
    aws.now += 60
    with pytest.raises(PeeringError, match=f"1 minutes: GetCluster on {PEER_ID} in us-east-1 was answered without"):
        step()
    assert poll(aws, aws.event())["IsComplete"]


# what does not


@pytest.mark.parametrize("status", ["FAILED", "DELETING", "PENDING_DELETE", "DELETED"])
@pytest.mark.parametrize("arn", [PEER, LOCAL])
def test_lost_cluster_fails_at_once(aws: HandMadeAws, arn: str, status: str) -> None:
    aws.clusters[arn]["status"] = status
    identifier, region = arn.rpartition("/")[2], arn.split(":")[3]
    with pytest.raises(PeeringError, match=f"failed: {identifier} in {region} is {status}.*Remove or replace it"):
        peering(aws, aws.event()).step()
    assert aws.writes == []


def test_peer_that_never_appears_fails_after_two_minutes(aws: HandMadeAws) -> None:
    del aws.clusters[PEER]
    with pytest.raises(PeeringError, match=f"{PEER_ID} in us-east-1 is not found"):
        poll(aws, aws.event())
    assert aws.now == 1000 + 120


def test_timeout_has_the_state_of_both_sides(aws: HandMadeAws) -> None:
    aws.environment["TIMEOUT_SECONDS"] = "60"
    aws.fail("update_cluster", "us-west-2", "ConflictException", times=1000, message="busy")
    with pytest.raises(PeeringError) as failure:
        poll(aws, aws.event())
    assert str(failure.value) == (
        f"Peering of Orders-production failed: still not done after 1 minutes: UpdateCluster on {LOCAL_ID} in "
        f"us-west-2 was answered by ConflictException: busy. State: {PEER_ID} in us-east-1 is PENDING_SETUP; "
        f"{LOCAL_ID} in us-west-2 is PENDING_SETUP."
    )
    assert aws.now == 1000 + 60


@pytest.mark.parametrize("seconds", [0, 60, 119])
def test_denied_call_is_tried_again_for_two_minutes(aws: HandMadeAws, seconds: int) -> None:
    """A policy that was just attached holds after seconds."""
    event = aws.event()
    aws.now += seconds
    aws.fail("get_cluster", "us-east-1", "AccessDeniedException")
    assert peering(aws, event).step() == {"IsComplete": False}
    assert poll(aws, event)["IsComplete"]


@pytest.mark.parametrize(("timeout", "seconds"), [("1800", 120), ("60", 30)])
def test_denied_call_is_named_with_what_to_look_for(aws: HandMadeAws, timeout: str, seconds: int) -> None:
    aws.environment["TIMEOUT_SECONDS"] = timeout
    denied = "not authorized to perform: dsql:X"
    aws.fail("update_cluster", "us-west-2", "AccessDeniedException", message=denied, times=1000)
    with pytest.raises(
        PeeringError, match=r"UpdateCluster on local0+ in us-west-2 was denied .*dsql:X.*service control policy"
    ):
        poll(aws, aws.event())
    assert aws.now == 1000 + seconds


def test_cluster_of_an_earlier_try_that_stands_in_the_way_is_named(aws: HandMadeAws) -> None:
    earlier = OTHER_LOCAL  # which is gone, and still named
    aws.clusters[PEER]["peers"] = [PEER, earlier]
    aws.fail("update_cluster", "us-east-1", "ValidationException", message="It has a peer.")
    sentence = rf"It has a peer.*peer0+ in us-east-1 still has the peer {earlier}, which is not of this pair.*delete it"
    with pytest.raises(PeeringError, match=sentence):
        peering(aws, aws.event()).step()
    assert poll(aws, aws.event())["IsComplete"], "and once AWS takes another peer, the earlier one is replaced"
    assert aws.clusters[PEER]["peers"] == [PEER, LOCAL]


def test_refused_call_has_the_words_of_aws(aws: HandMadeAws) -> None:
    aws.fail("update_cluster", "us-east-1", "ValidationException", message="Peer has another witness.")
    with pytest.raises(PeeringError, match=r"was refused \(ValidationException: Peer has another witness.\)"):
        peering(aws, aws.event()).step()


def test_reason_why_a_state_cannot_be_read_is_in_the_error(aws: HandMadeAws) -> None:
    aws.fail("get_cluster", "us-east-1", "AccessDeniedException", times=1000, message="no dsql:GetCluster")
    with pytest.raises(
        PeeringError, match=f"State: GetCluster on {PEER_ID} in us-east-1 was denied.*; {LOCAL_ID} in us"
    ):
        poll(aws, aws.event())


def test_sentence_and_data_fit_cloudformations_response(aws: HandMadeAws) -> None:
    aws.fail("update_cluster", "us-east-1", "ValidationException", message="x" * 10_000)
    with pytest.raises(PeeringError) as failure:
        peering(aws, aws.event()).step()
    assert len(str(failure.value)) <= 1500
    assert len(json.dumps(poll(aws, aws.event()))) < 1500


# any order of failures and deaths

CALLS = st.sampled_from(
    [
        ("get_cluster", "us-east-1"),
        ("get_cluster", "us-west-2"),
        ("update_cluster", "us-east-1"),
        ("update_cluster", "us-west-2"),
        ("get_parameters", "us-east-1"),
        ("put_parameter", "us-west-2"),
        ("describe_stack_resource", "us-east-1"),
    ]
)
ERRORS = st.sampled_from(
    [
        "ConflictException",
        "ThrottlingException",
        "InternalServerException",
        "AccessDeniedException",
        "ValidationException",
    ]
)


@settings(max_examples=200)
@given(
    failures=st.lists(st.tuples(CALLS, ERRORS), max_size=8), deaths=st.lists(st.integers(1, EVERY_WRITE), max_size=4)
)
def test_whatever_fails_or_dies_the_end_is_a_peered_pair_or_a_sentence(
    failures: list[tuple[tuple[str, str], str]], deaths: list[int]
) -> None:
    aws = HandMadeAws()
    for (call, region), error in failures:
        aws.fail(call, region, error)
    for death in deaths:
        aws.killed_after = len(aws.writes) + death
        with suppress(Killed, PeeringError):
            poll(aws, aws.event())
    aws.killed_after = None
    for _ in range(len(failures) + 1):  # CloudFormation, or a person, tries again
        try:
            poll(aws, aws.event())
        except PeeringError as failure:
            sentence = str(failure)
            assert sentence.startswith("Peering of Orders-production failed: ")
            assert "State: " in sentence
        else:
            break
    assert aws.parameters == registered()
    assert [aws.clusters[arn]["peers"] for arn in (PEER, LOCAL)] == [[PEER, LOCAL], [LOCAL, PEER]]
    assert {aws.clusters[arn]["status"] for arn in (PEER, LOCAL)} == {"ACTIVE"}
    done = len(aws.writes)
    assert poll(aws, aws.event("Update"))["IsComplete"]
    assert len(aws.writes) == done, "no write follows a success"
    assert len(aws.writes) == EVERY_WRITE, "and nothing was written twice on the way"
