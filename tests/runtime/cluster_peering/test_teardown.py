from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.teardown import Teardown
from tests.runtime.cluster_peering.hand_made_aws import (
    FINISHED,
    LOCAL,
    LOCAL_ID,
    OTHER_LOCAL,
    OTHER_PEER,
    PEER,
    PEER_ID,
    PEER_STACK,
    STACK,
    THIRD,
    UNFINISHED,
    HandMadeAws,
    Killed,
)


@pytest.fixture
def aws() -> HandMadeAws:
    """A pair, peered and in the SSM parameters."""
    aws = HandMadeAws().peered()
    assert Peering(aws.event(), pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]
    aws.writes.clear()
    aws.calls.clear()
    return aws


def poll(aws: HandMadeAws, stack_status: str, removal_policy: str, recorded: str = FINISHED) -> None:
    aws.stack_status = stack_status
    aws.environment["REMOVAL_POLICY"] = removal_policy
    aws.physical_ids[STACK, "Peering"] = recorded
    event = aws.event("Delete")
    for _ in range(400):
        if Teardown(event, pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]:
            return
        aws.now += 10
    raise AssertionError("polled for ever")


def state(aws: HandMadeAws) -> list[tuple[str, list[str]]]:
    found = [aws.clusters[arn] for arn in (PEER, LOCAL) if arn in aws.clusters]
    return [(one["status"], one["peers"]) for one in found]


def test_destroy_deletes_the_peer_and_leaves_the_own_cluster_to_cloudformation(aws: HandMadeAws) -> None:
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert [status for status, _ in state(aws)] == ["PENDING_DELETE", "ACTIVE"]
    assert [write for write in aws.writes if write[0] != "delete_parameters"] == [("delete_cluster", "us-east-1")]


def test_all_parameters_are_deleted(aws: HandMadeAws) -> None:
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert aws.parameters == {}


@pytest.mark.parametrize(
    ("stack_status", "removal_policy"),
    [
        ("DELETE_IN_PROGRESS", "retain"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "destroy"),  # the peering left the template
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "destroy"),
    ],
)
def test_anything_else_keeps_clusters_and_peering(aws: HandMadeAws, stack_status: str, removal_policy: str) -> None:
    before = state(aws)
    aws.resource_status = "DELETE_IN_PROGRESS"
    poll(aws, stack_status, removal_policy)
    assert state(aws) == before
    assert {name for name, _ in aws.writes} == {"delete_parameters"}
    assert aws.parameters == {}


@pytest.mark.parametrize("stack_status", ["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
def test_peering_that_left_the_template_may_have_no_record(aws: HandMadeAws, stack_status: str) -> None:
    del aws.physical_ids[STACK, "Peering"]
    before, aws.stack_status = state(aws), stack_status
    assert Teardown(aws.event("Delete"), pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]
    assert (state(aws), aws.parameters) == (before, {})


def test_peering_without_a_record_is_deleted_by_nobody_while_its_stack_rests(aws: HandMadeAws) -> None:
    del aws.physical_ids[STACK, "Peering"]
    aws.stack_status = "UPDATE_COMPLETE"
    with pytest.raises(PeeringError, match="UPDATE_COMPLETE and the peering in it unknown, so this Delete"):
        Teardown(aws.event("Delete"), pair=aws.pair(), clock=lambda: aws.now).step()
    assert aws.writes == []


@pytest.mark.parametrize("resource_status", ["CREATE_COMPLETE", "CREATE_FAILED", "DELETE_FAILED"])
@pytest.mark.parametrize("stack_status", ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_stack_that_goes_deletes_the_parameters_whatever_is_recorded_of_the_peering(
    aws: HandMadeAws, stack_status: str, resource_status: str
) -> None:
    aws.resource_status = resource_status
    poll(aws, stack_status, "retain")
    assert aws.parameters == {}


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_rollback_of_the_first_deployment_removes_the_peers_of_both(aws: HandMadeAws, removal_policy: str) -> None:
    poll(aws, "ROLLBACK_IN_PROGRESS", removal_policy)
    assert [peers for _, peers in state(aws)] == [[], []]
    assert "delete_cluster" not in {name for name, _ in aws.calls}


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_stack_whose_creation_failed_is_deleted_without_its_peer(aws: HandMadeAws, removal_policy: str) -> None:
    """As `cdk deploy` does after ROLLBACK_FAILED; the peer's stack stays, and nobody asked for its data."""
    poll(aws, "DELETE_IN_PROGRESS", removal_policy, UNFINISHED)
    assert [peers for _, peers in state(aws)] == [[], []]
    assert "delete_cluster" not in {name for name, _ in aws.calls}


# what AWS may refuse


@pytest.mark.parametrize(("empty_clusters", "seconds"), [("refuse", 0), ("ignore", 130)])
def test_retain_ends_a_rollback_within_minutes_with_both_peered_and_logs_why(
    aws: HandMadeAws, empty_clusters: str, seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.empty_clusters = empty_clusters
    poll(aws, "ROLLBACK_IN_PROGRESS", "retain")
    assert aws.now == 1000 + seconds
    assert [peers for _, peers in state(aws)] == [[PEER, LOCAL], [LOCAL, PEER]]
    assert aws.parameters == {}
    said = capsys.readouterr().out
    assert (
        f"{PEER_ID} in us-east-1 still has the peer {LOCAL} and {LOCAL_ID} in us-west-2 still has the peer {PEER}: "
        in said
    )
    assert "Both clusters are kept, since the removal policy is RETAIN." in said


@pytest.mark.parametrize(("empty_clusters", "seconds"), [("refuse", 0), ("ignore", 130)])
@pytest.mark.parametrize("stack_status", ["ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_destroy_ends_a_rollback_within_minutes_with_what_to_run_and_deletes_nothing(
    aws: HandMadeAws, stack_status: str, empty_clusters: str, seconds: int
) -> None:
    aws.empty_clusters = empty_clusters
    reason = {"refuse": "was refused", "ignore": "the clusters still have them"}[empty_clusters]
    with pytest.raises(PeeringError) as failure:
        poll(aws, stack_status, "destroy", UNFINISHED)
    assert aws.now == 1000 + seconds
    sentence = str(failure.value)
    assert (
        f"{PEER_ID} in us-east-1 still has the peer {LOCAL} and {LOCAL_ID} in us-west-2 still has the peer {PEER}: "
        in sentence
    )
    assert reason in sentence
    assert f"aws dsql delete-cluster --region us-east-1 --identifier {PEER_ID} and aws dsql delete-cluster" in sentence
    assert "delete_cluster" not in {name for name, _ in aws.calls}
    assert ("us-west-2", "/dsql-dr/Orders-production/us-west-2/arn") in aws.parameters, "and the parameters are left"


def test_rollback_that_is_denied_is_tried_again_for_two_minutes(aws: HandMadeAws) -> None:
    aws.fail("update_cluster", "us-east-1", "AccessDeniedException", times=5)
    poll(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    assert [peers for _, peers in state(aws)] == [[], []]


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_rollback_never_touches_a_peer_that_knows_another_cluster(aws: HandMadeAws, removal_policy: str) -> None:
    other = OTHER_LOCAL
    aws.clusters[PEER]["peers"] = [PEER, other]
    aws.clusters[LOCAL].update(peers=[], status="PENDING_SETUP")
    poll(aws, "ROLLBACK_IN_PROGRESS", removal_policy)
    assert aws.clusters[PEER]["peers"] == [PEER, other]
    assert {name for name, _ in aws.writes} == {"delete_parameters"}


@pytest.mark.parametrize("arn", [PEER, LOCAL])
def test_deletion_protection_of_either_refuses_before_anything_is_touched(aws: HandMadeAws, arn: str) -> None:
    aws.clusters[arn]["protected"] = True
    before = state(aws)
    sentence = (
        f"cluster {arn.rpartition('/')[2]} in {arn.split(':')[3]} has deletion protection enabled, so neither was "
        "deleted.*deletion_protection=False"
    )
    with pytest.raises(PeeringError, match=sentence):
        poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert (state(aws), aws.writes) == (before, [])


@pytest.mark.parametrize("call", ["get_cluster", "delete_cluster"])
def test_peer_that_goes_between_two_calls_is_no_obstacle(aws: HandMadeAws, call: str) -> None:
    def gone() -> None:
        aws.clusters[PEER]["status"] = "DELETED"
        del aws.clusters[PEER]

    aws.before(call, "us-east-1", gone)
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert aws.parameters == {}


@pytest.mark.parametrize("arn", [PEER, LOCAL])
def test_cluster_that_goes_in_a_rollback_between_two_calls_is_no_obstacle(aws: HandMadeAws, arn: str) -> None:
    aws.before("update_cluster", arn.split(":")[3], lambda: aws.clusters.pop(arn))
    poll(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    assert all(not {PEER, LOCAL} & set(peers) for _, peers in state(aws))


def test_second_destroy_does_nothing(aws: HandMadeAws) -> None:
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    aws.writes.clear()
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert {name for name, _ in aws.writes} == {"delete_parameters"}


@pytest.mark.parametrize("gone", ["DELETING", "PENDING_DELETE"])
def test_peer_that_is_being_deleted_is_not_deleted_twice(aws: HandMadeAws, gone: str) -> None:
    aws.clusters[PEER]["status"] = gone
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert "delete_cluster" not in {name for name, _ in aws.calls}


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
@pytest.mark.parametrize("lost", [[PEER], [LOCAL], [PEER, LOCAL]])
def test_clusters_that_are_gone_are_no_obstacle(aws: HandMadeAws, lost: list[str], removal_policy: str) -> None:
    for arn in lost:
        del aws.clusters[arn]
    poll(aws, "DELETE_IN_PROGRESS", removal_policy)
    assert aws.parameters == {}


def test_pair_that_was_never_peered_leaves_the_peer_alone(aws: HandMadeAws) -> None:
    for cluster in aws.clusters.values():
        cluster["peers"] = []
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert "delete_cluster" not in {name for name, _ in aws.calls}


@pytest.mark.parametrize("writes", [1, 2, 3])
@pytest.mark.parametrize("stack_status", ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_removal_killed_anywhere_and_tried_again_ends_the_same(
    aws: HandMadeAws, stack_status: str, writes: int
) -> None:
    aws.killed_after = writes
    with pytest.raises(Killed):
        poll(aws, stack_status, "destroy")
    poll(aws, stack_status, "destroy")
    assert aws.parameters == {}
    updates_and_deletes = [name for name, _ in aws.writes if name != "delete_parameters"]
    assert updates_and_deletes in (["delete_cluster"], ["update_cluster", "update_cluster"])


def test_cluster_that_is_updating_is_waited_for(aws: HandMadeAws) -> None:
    aws.fail("delete_cluster", "us-east-1", "ConflictException", times=2)
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert aws.clusters[PEER]["status"] == "PENDING_DELETE"


# whose peer is not the stack's


@pytest.mark.parametrize("theirs", [OTHER_PEER, THIRD])
def test_destroy_refuses_a_local_cluster_that_has_another_peer_with_both_arns(aws: HandMadeAws, theirs: str) -> None:
    """Deleted, it would stay in PENDING_DELETE, and that would be reported as a success."""
    aws.add_cluster(theirs, peers=[LOCAL])
    aws.add_cluster(LOCAL, peers=[theirs])
    before, entries = copy.deepcopy(aws.clusters), dict(aws.parameters)
    sentence = (
        f"cluster {LOCAL} is peered with {theirs}, and stack {PEER_STACK} in us-east-1 has {PEER}.*so none was.*"
        f"run aws dsql update-cluster --region us-west-2 --identifier {LOCAL_ID} .*To keep both, deploy with RETAIN"
    )
    with pytest.raises(PeeringError, match=sentence):
        poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert (aws.clusters, aws.parameters, aws.writes) == (before, entries, [])


def test_destroy_refuses_where_the_peers_stack_is_gone_and_its_cluster_lives(aws: HandMadeAws) -> None:
    del aws.physical_ids[PEER_STACK, "Cluster"]
    with pytest.raises(PeeringError, match=f"is peered with {PEER}, and stack {PEER_STACK} in us-east-1 has no clust"):
        poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert aws.writes == []


@pytest.mark.parametrize("status", ["PENDING_DELETE", "DELETING", None])
def test_destroy_goes_on_where_the_peers_stack_went_with_its_cluster(aws: HandMadeAws, status: str | None) -> None:
    del aws.physical_ids[PEER_STACK, "Cluster"]
    aws.clusters[PEER]["status"] = status
    if not status:
        del aws.clusters[PEER]
    poll(aws, "DELETE_IN_PROGRESS", "destroy")
    assert aws.parameters == {}


def test_retain_deletes_the_parameters_also_after_the_peers_stack_is_gone(aws: HandMadeAws) -> None:
    del aws.physical_ids[PEER_STACK, "Cluster"]
    before = copy.deepcopy(aws.clusters)
    poll(aws, "DELETE_IN_PROGRESS", "retain")
    assert (aws.clusters, aws.parameters) == (before, {})


def test_rollback_with_destroy_stops_at_another_peer_and_with_retain_goes_on(
    aws: HandMadeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.add_cluster(OTHER_PEER, peers=[LOCAL])
    aws.add_cluster(LOCAL, peers=[OTHER_PEER])
    before = copy.deepcopy(aws.clusters)
    with pytest.raises(PeeringError, match="is peered with"):
        poll(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    poll(aws, "ROLLBACK_IN_PROGRESS", "retain")
    assert aws.clusters == before
    assert f"cluster {LOCAL} is peered with {OTHER_PEER}" in capsys.readouterr().out


# whoever may invoke the function, while the stack is being deleted


@pytest.mark.parametrize(("recorded", "forged"), [(FINISHED, UNFINISHED), (UNFINISHED, FINISHED)])
def test_event_does_not_say_whether_the_creation_was_finished(aws: HandMadeAws, recorded: str, forged: str) -> None:
    """ "Finished" would delete the peer of a failed creation, and "unfinished" would break a pair."""
    aws.stack_status = "DELETE_IN_PROGRESS"
    aws.environment["REMOVAL_POLICY"] = "destroy"
    aws.physical_ids[STACK, "Peering"] = recorded
    event = aws.event("Delete", PhysicalResourceId=forged, StackId="other", ResourceProperties={})
    Teardown(event, pair=aws.pair(), clock=lambda: aws.now).step()
    done = {name for name, _ in aws.writes}
    assert done == ({"delete_cluster"} if recorded == FINISHED else {"update_cluster"})


def test_creation_without_a_record_is_unfinished(aws: HandMadeAws) -> None:
    del aws.physical_ids[STACK, "Peering"]
    aws.stack_status, aws.environment["REMOVAL_POLICY"] = "DELETE_IN_PROGRESS", "destroy"
    Teardown(aws.event("Delete"), pair=aws.pair(), clock=lambda: aws.now).step()
    assert {name for name, _ in aws.writes} == {"update_cluster"}


def test_timeout_names_the_removal_and_both_states(aws: HandMadeAws) -> None:
    aws.fail("delete_cluster", "us-east-1", "ConflictException", times=1000)
    with pytest.raises(
        PeeringError, match=r"^Removal of Orders-production failed: .*State: peer0+ in us-east-1 is ACTIVE;"
    ):
        poll(aws, "DELETE_IN_PROGRESS", "destroy")


def test_begin_returns_when_it_began_and_keeps_the_id(aws: HandMadeAws) -> None:
    event: dict[str, Any] = {**aws.event("Delete"), "PhysicalResourceId": FINISHED}
    begun = Teardown(event, pair=aws.pair(), clock=lambda: 7.0).begin()
    assert begun == {"PhysicalResourceId": FINISHED, "StartedAt": 7.0}
    assert aws.calls == []


CALLS = st.sampled_from(
    [
        ("describe_stacks", "us-west-2"),
        ("get_parameters", "us-east-1"),
        ("describe_stack_resource", "us-east-1"),
        ("describe_stack_resource", "us-west-2"),
        ("get_cluster", "us-east-1"),
        ("get_cluster", "us-west-2"),
        ("update_cluster", "us-east-1"),
        ("update_cluster", "us-west-2"),
        ("delete_cluster", "us-east-1"),
        ("delete_parameters", "us-west-2"),
    ]
)


@settings(max_examples=100)
@given(
    failures=st.lists(st.tuples(CALLS, st.sampled_from(["ConflictException", "AccessDeniedException"])), max_size=6),
    deaths=st.lists(st.integers(1, 4), max_size=3),
    stack_status=st.sampled_from(["ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"]),
    removal_policy=st.sampled_from(["retain", "destroy"]),
)
def test_whatever_fails_or_dies_a_removal_ends_as_it_should(
    failures: list[tuple[tuple[str, str], str]], deaths: list[int], stack_status: str, removal_policy: str
) -> None:
    aws = HandMadeAws().peered()
    assert Peering(aws.event(), pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]
    for (call, region), error in failures:
        aws.fail(call, region, error)
    for death in deaths:
        aws.killed_after = len(aws.writes) + death
        with suppress(Killed, PeeringError):
            poll(aws, stack_status, removal_policy)
    aws.killed_after = None
    for _ in failures:
        with suppress(PeeringError):  # a person allows what was denied, and tries again
            poll(aws, stack_status, removal_policy)
    poll(aws, stack_status, removal_policy)
    deleted = [region for name, region in aws.writes if name == "delete_cluster"]
    deletes = stack_status == "DELETE_IN_PROGRESS" and removal_policy == "destroy"
    assert deleted == (["us-east-1"] if deletes else []), (
        "the peer once, and only where the stack is deleted with DESTROY"
    )
    if stack_status == "ROLLBACK_IN_PROGRESS":
        assert [peers for _, peers in state(aws)] == [[], []]
    elif not deletes:
        assert [peers for _, peers in state(aws)] == [[PEER, LOCAL], [LOCAL, PEER]]
    assert aws.parameters == {}
