from __future__ import annotations

import json
from typing import Any

import pytest

from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.repair import Repair
from tests.runtime.cluster_peering.hand_made_aws import LOCAL, LOCAL_ID, PEER, PEER_ENTRY, PEER_ID, HandMadeAws

ENTRY = "/dsql-dr/Orders-production/us-east-1/endpoint"
BOTH = [
    {"region": "us-east-1", "identifier": PEER_ID, "status": "ACTIVE", "peers": [LOCAL], "witness": "us-east-2"},
    {"region": "us-west-2", "identifier": LOCAL_ID, "status": "ACTIVE", "peers": [PEER], "witness": "us-east-2"},
]


@pytest.fixture
def aws() -> HandMadeAws:
    """A pair, peered and in the SSM parameters."""
    aws = HandMadeAws().peered()
    assert Peering(aws.event(), pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]
    aws.writes.clear()
    return aws


def repair(aws: HandMadeAws) -> dict[str, Any]:
    def sleep(seconds: float) -> None:
        aws.now += seconds

    answer = Repair(pair=aws.pair(), clock=lambda: aws.now, sleep=sleep, seconds=210.0).run()
    assert json.loads(json.dumps(answer)) == answer
    return answer


def test_pair_that_is_as_it_should_be_is_left_alone(aws: HandMadeAws) -> None:
    assert repair(aws) == {"done": True, "changed": [], "clusters": BOTH}
    assert aws.writes == []


def test_clusters_without_peers_are_peered_and_the_answer_comes_once_they_are_active(aws: HandMadeAws) -> None:
    for arn in (PEER, LOCAL):
        aws.clusters[arn].update(peers=[])
    changed = [
        f"us-east-1: peer of {PEER_ID} set to {LOCAL}",
        f"us-west-2: peer of {LOCAL_ID} set to {PEER}",
    ]
    assert repair(aws) == {"done": True, "changed": changed, "clusters": BOTH}
    assert aws.now > 1000, "the clusters were UPDATING in between"
    assert repair(aws)["changed"] == []


def test_wrong_witness_is_set_right(aws: HandMadeAws) -> None:
    aws.clusters[LOCAL]["witness"] = "us-east-9"
    changed = [f"us-west-2: witness of {LOCAL_ID} set to us-east-2"]
    assert repair(aws) == {"done": True, "changed": changed, "clusters": BOTH}


@pytest.mark.parametrize("lost", [("us-west-2", ENTRY), ("us-east-1", PEER_ENTRY)])
def test_parameter_that_was_deleted_is_written(aws: HandMadeAws, lost: tuple[str, str]) -> None:
    before = dict(aws.parameters)
    del aws.parameters[lost]
    assert repair(aws)["changed"] == [f"{lost[0]}: wrote {lost[1]}"]
    assert aws.parameters == before


def test_answer_of_a_failed_repair_has_what_was_changed_the_reason_and_both_clusters(aws: HandMadeAws) -> None:
    for arn in (PEER, LOCAL):
        aws.clusters[arn].update(peers=[])
    aws.fail("update_cluster", "us-west-2", "ValidationException", message="no such Region")
    answer = repair(aws)
    assert not answer["done"]
    assert answer["error"] == (
        f"Repair of Orders-production failed: UpdateCluster on {LOCAL_ID} in us-west-2 was refused "
        "(ValidationException: no such Region)."
    )
    assert answer["changed"] == [f"us-east-1: peer of {PEER_ID} set to {LOCAL}"]
    assert [one["peers"] for one in answer["clusters"]] == [[LOCAL], []]
    assert repair(aws)["done"], "and it can be repeated"


def test_denial_is_answered_at_once_since_nothing_was_just_attached(aws: HandMadeAws) -> None:
    aws.fail("get_cluster", "us-east-1", "AccessDeniedException")
    assert "service control policy" in repair(aws)["error"]
    assert aws.now == 1000


def test_denied_service_name_is_left_out_at_once(aws: HandMadeAws) -> None:
    aws.fail("get_vpc_endpoint_service_name", "us-east-1", "AccessDeniedException")
    assert repair(aws)["done"]
    assert aws.now == 1000


def test_lost_cluster_is_answered_at_once(aws: HandMadeAws) -> None:
    del aws.clusters[PEER]
    answer = repair(aws)
    assert f"{PEER_ID} in us-east-1 is not found, so it cannot be peered" in answer["error"]
    assert answer["clusters"][0]["status"] == "not found"
    assert aws.now == 1000


def test_region_that_is_down_ends_the_repair_within_its_time(aws: HandMadeAws) -> None:
    aws.fail("get_cluster", "us-east-1", "InternalServerException", times=1000)
    answer = repair(aws)
    assert f"still not done after 3.5 minutes: GetCluster on {PEER_ID} in us-east-1 was answered by" in answer["error"]
    assert answer["clusters"][0].startswith(f"GetCluster on {PEER_ID} in us-east-1 was answered by Internal")
    assert answer["clusters"][1] == BOTH[1]
    assert aws.now == 1000 + 210
