from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.observation import (
    ControlPlane,
    Observation,
    ProbeResult,
    observe,
    verdict,
)
from tests.runtime.judge import service_model

EAST, WEST = (f"arn:aws:dsql:{region}:111111111111:cluster/{region[3]}" for region in ("us-east-1", "us-west-2"))
BOTH = frozenset({EAST, WEST})
ANSWERED = ProbeResult(latency_ms=12.5)


def seen(
    status: str | None = "ACTIVE",
    *,
    arn: str = EAST,
    probe: ProbeResult = ANSWERED,
    peer_status: str | None = "ACTIVE",
    **answer: object,
) -> Observation:
    control_plane = ControlPlane(status, **{"peers": BOTH, "witness_region": "us-east-2", **answer})  # type: ignore[arg-type]
    peer = WEST if arn == EAST else EAST
    return observe(arn, control_plane, probe, 2, peer=peer, witness_region="us-east-2", peer_status=peer_status)


def test_words_for_statuses_are_awss() -> None:
    known = service_model("dsql")
    assert set(known.shape_for("ClusterStatus").enum) >= names.HEALTHY_STATUSES
    assert names.LOST_KEY in known.shape_for("EncryptionStatus").enum


@pytest.mark.parametrize("status", ["ACTIVE", "IDLE", "INACTIVE", "UPDATING"])
def test_serving_status_is_healthy(status: str) -> None:
    one = seen(status)
    assert (one.healthy, one.peered, one.witnessed, one.problems) == (True, True, True, ())


@pytest.mark.parametrize(
    "status", ["CREATING", "PENDING_SETUP", "DELETING", "PENDING_DELETE", "DELETED", "FAILED", "NOT_FOUND", "PARTYING"]
)
def test_every_other_status_is_unhealthy_and_named(status: str) -> None:
    one = seen(status, peers=frozenset(), witness_region=None)
    assert not one.healthy
    assert one.problems == (f"status is {status}",), "and its peering is no second fault"
    assert (one.peered, one.witnessed) == (None, None)


def test_cluster_without_its_key_is_unhealthy_whatever_its_status() -> None:
    one = seen(encryption_status="KMS_KEY_INACCESSIBLE")
    assert (one.healthy, one.problems) == (False, ("encryption status is KMS_KEY_INACCESSIBLE",))


def test_unreachable_endpoint_is_unhealthy_with_its_reason() -> None:
    one = seen(probe=ProbeResult(problem="certificate expired"))
    assert (one.healthy, one.reachable, one.problems) == (False, False, ("endpoint: certificate expired",))


def test_control_plane_that_does_not_answer_is_unhealthy_and_says_nothing_of_the_peering() -> None:
    one = seen(None, problem="no answer")
    assert (one.healthy, one.reachable, one.peered, one.witnessed) == (False, True, None, None)
    assert one.problems == ("GetCluster: no answer",)


def test_missing_peer_is_degraded_and_not_down() -> None:
    one = seen(peers=frozenset({EAST}))
    assert (one.healthy, one.peered) == (True, False)
    assert one.problems == ("the other cluster is not its peer",)


@pytest.mark.parametrize("status", ["NOT_FOUND", "PENDING_DELETE", "DELETING", "DELETED"])
def test_peer_that_is_deleted_is_no_fault_of_the_peering(status: str) -> None:
    one = seen(peers=frozenset({EAST}), peer_status=status)
    assert (one.healthy, one.peered, one.witnessed, one.problems) == (True, None, True, ())
    assert "PeeringHealth" not in {name for name, _, _ in one.measures()}


@pytest.mark.parametrize("status", ["ACTIVE", "FAILED", "CREATING", None])
def test_peer_that_is_not_deleted_has_to_be_named(status: str | None) -> None:
    assert seen(peers=frozenset({EAST}), peer_status=status).peered is False


def test_other_witness_counts_while_the_peer_is_deleted() -> None:
    one = seen(peers=frozenset({EAST}), witness_region="us-west-1", peer_status="DELETED")
    assert ("PeeringHealth", 0.0, "None") in one.measures()


def test_other_witness_is_degraded_and_not_down() -> None:
    one = seen(witness_region="us-west-1")
    assert (one.healthy, one.witnessed) == (True, False)
    assert one.problems == ("its witness Region is us-west-1, and us-east-2 is configured",)


def test_any_witness_will_do_where_none_is_configured() -> None:
    answer = ControlPlane("ACTIVE", peers=BOTH, witness_region="us-west-1")
    assert observe(EAST, answer, ANSWERED, 2, peer=WEST, witness_region=None).witnessed


def test_verdict_is_the_worst_that_holds() -> None:
    def judged(east: Observation, west: Observation) -> str:
        return verdict([east, west])

    good_east, good_west = seen(), seen(arn=WEST)
    down_east, down_west = seen("FAILED"), seen("FAILED", arn=WEST)
    lonely = seen(peers=frozenset())
    drifted = seen(arn=WEST, witness_region="us-west-1")
    assert judged(good_east, good_west) == names.HEALTHY
    assert judged(down_east, good_west) == names.CLUSTER_DOWN
    assert judged(good_east, down_west) == names.CLUSTER_DOWN
    assert judged(down_east, down_west) == names.BOTH_DOWN
    assert judged(lonely, good_west) == names.PEERING_LOST
    assert judged(good_east, drifted) == names.WITNESS_MISMATCH
    assert judged(lonely, drifted) == names.PEERING_LOST
    assert judged(lonely, down_west) == names.CLUSTER_DOWN


# the same as a table, against any answers

SERVING = ("ACTIVE", "IDLE", "INACTIVE", "UPDATING")
STATUSES = (
    st.sampled_from([None, *SERVING, "CREATING", "PENDING_SETUP", "PENDING_DELETE", "FAILED", "NOT_FOUND"]) | st.text()
)
ANSWERS = st.builds(
    lambda status, key, peers, witness, probe: (status, key, peers, witness, probe),
    STATUSES,
    st.sampled_from(["ENABLED", "UPDATING", "KMS_KEY_INACCESSIBLE", None]),
    st.sampled_from([BOTH, frozenset[str](), frozenset({"arn:aws:dsql:us-east-2:1:cluster/other"})]),
    st.sampled_from(["us-east-2", "us-west-1", None]),
    st.sampled_from([ANSWERED, ProbeResult(problem="connection refused")]),
)
Answer = tuple[str | None, str | None, frozenset[str], str | None, ProbeResult]
TABLE = {
    # east healthy, west healthy, both peered, both witnessed: verdict
    (True, True, True, True): "HEALTHY",
    (True, True, True, False): "WITNESS_MISMATCH",
    (True, True, False, True): "PEERING_LOST",
    (True, True, False, False): "PEERING_LOST",
    **{(east, not east, *rest): "CLUSTER_DOWN" for east, *rest in product((True, False), repeat=3)},
    **{(False, False, *rest): "BOTH_DOWN" for rest in product((True, False), repeat=2)},
}


@settings(max_examples=500)
@given(east=ANSWERS, west=ANSWERS)
def test_any_two_answers_give_the_verdict_of_the_table(east: Answer, west: Answer) -> None:
    def healthy(one: Answer) -> bool:
        return one[0] in SERVING and one[1] != "KMS_KEY_INACCESSIBLE" and one[4].problem is None

    def observed(arn: str, peer: str, one: Answer) -> Observation:
        status, key, peers, witness, probe = one
        problem = "no answer" if status is None else None
        control_plane = ControlPlane(status, key, peers, witness, problem)
        return observe(arn, control_plane, probe, 2, peer=peer, witness_region="us-east-2")

    observations = [observed(EAST, WEST, east), observed(WEST, EAST, west)]
    row = (
        healthy(east),
        healthy(west),
        east[2] == west[2] == BOTH,
        east[3] == west[3] == "us-east-2",
    )
    assert verdict(observations) == TABLE[row]
    for one, answer in zip(observations, (east, west), strict=True):
        values = {name: value for name, value, _ in one.measures()}
        assert values["ClusterHealth"] == float(healthy(answer))
        assert (values.get("PeeringHealth") is None) == (answer[0] not in SERVING), "a cluster down is one fault"
        assert bool(one.problems) == (not healthy(answer) or values.get("PeeringHealth") == 0)
