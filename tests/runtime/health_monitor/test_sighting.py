from __future__ import annotations

import pytest

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.sighting import ControlPlane, Knock, Sighting, sight, verdict

EAST, WEST = (f"arn:aws:dsql:{region}:111111111111:cluster/{region[3]}" for region in ("us-east-1", "us-west-2"))
BOTH = frozenset({EAST, WEST})
ANSWERED = Knock(latency_ms=12.5)


def seen(status: str | None = "ACTIVE", *, arn: str = EAST, knock: Knock = ANSWERED, **answer: object) -> Sighting:
    given = {"peers": BOTH, "witness_region": "us-east-2", **answer}
    peer = WEST if arn == EAST else EAST
    return sight(arn, ControlPlane(status, **given), knock, 2, peer=peer, witness_region="us-east-2")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["ACTIVE", "IDLE", "INACTIVE", "UPDATING"])
def test_serving_status_is_healthy(status: str) -> None:
    one = seen(status)
    assert (one.healthy, one.peered, one.witnessed, one.problems) == (True, True, True, ())


@pytest.mark.parametrize(
    "status", ["CREATING", "PENDING_SETUP", "DELETING", "PENDING_DELETE", "DELETED", "FAILED", "NOT_FOUND", "PARTYING"]
)
def test_every_other_status_is_unhealthy_and_named(status: str) -> None:
    one = seen(status)
    assert not one.healthy
    assert f"status is {status}" in one.problems


def test_cluster_without_its_key_is_unhealthy_whatever_its_status() -> None:
    one = seen(encryption_status="KMS_KEY_INACCESSIBLE")
    assert (one.healthy, one.problems) == (False, ("encryption status is KMS_KEY_INACCESSIBLE",))


def test_unreachable_endpoint_is_unhealthy_with_its_reason() -> None:
    one = seen(knock=Knock(problem="certificate expired"))
    assert (one.healthy, one.reachable, one.problems) == (False, False, ("endpoint: certificate expired",))


def test_silent_control_plane_is_unhealthy_and_says_nothing_of_the_peering() -> None:
    one = seen(None, problem="no answer")
    assert (one.healthy, one.reachable, one.peered, one.witnessed) == (False, True, None, None)
    assert one.problems == ("GetCluster: no answer",)


def test_missing_peer_is_degraded_and_not_down() -> None:
    one = seen(peers=frozenset({EAST}))
    assert (one.healthy, one.peered) == (True, False)
    assert one.problems == ("does not name its peer",)


def test_other_witness_is_degraded_and_not_down() -> None:
    one = seen(witness_region="us-west-1")
    assert (one.healthy, one.witnessed) == (True, False)
    assert one.problems == ("its witness is us-west-1, and us-east-2 is configured",)


def test_any_witness_will_do_where_none_is_configured() -> None:
    answer = ControlPlane("ACTIVE", peers=BOTH, witness_region="us-west-1")
    assert sight(EAST, answer, ANSWERED, 2, peer=WEST, witness_region=None).witnessed


def test_verdict_is_the_worst_that_holds() -> None:
    def judged(east: Sighting, west: Sighting, observer: str = "us-east-1") -> str:
        return verdict([east, west], observer)

    good_east, good_west = seen(), seen(arn=WEST)
    down_east, down_west = seen("FAILED"), seen("FAILED", arn=WEST)
    lonely = seen(peers=frozenset())
    drifted = seen(arn=WEST, witness_region="us-west-1")
    assert judged(good_east, good_west) == names.HEALTHY
    assert judged(down_east, good_west) == names.LOCAL_DOWN
    assert judged(good_east, down_west) == names.PEER_DOWN
    assert judged(down_east, down_west) == names.BOTH_DOWN
    assert judged(lonely, good_west) == names.UNPEERED
    assert judged(good_east, drifted) == names.WITNESS_DRIFT
    assert judged(lonely, drifted) == names.UNPEERED
    assert judged(lonely, down_west) == names.PEER_DOWN
    assert judged(down_east, good_west, observer="us-east-2") == names.PEER_DOWN, "a witness has no local cluster"
