from __future__ import annotations

import pytest

from dsql_dr_constructs.rehearsal.dsql import Cluster, Dsql, DsqlError
from dsql_dr_constructs.rehearsal.faults import Fault, Faults

US_EAST_1, US_WEST_2 = ("111111111111", "us-east-1"), ("111111111111", "us-west-2")
Place = tuple[str, str]


class Rehearsed(Dsql):
    """With a clock that stands still until it is moved."""

    def __init__(self, update_without_clusters: str = "keep") -> None:
        self.faults = Faults()
        self.now = 0.0
        super().__init__(
            self.faults,
            transition_seconds=10,
            update_without_clusters=update_without_clusters,
            clock=lambda: self.now,
        )

    def pass_time(self, seconds: float = 10) -> None:
        self.now += seconds

    def status(self, cluster: Cluster) -> str:
        return self.get_cluster(cluster.account, cluster.region, cluster.identifier).status

    def new(self, place: Place, *, witness: str | None = "us-east-2", protected: bool = False) -> Cluster:
        request: dict[str, object] = {"deletionProtectionEnabled": protected}
        if witness:
            request["multiRegionProperties"] = {"witnessRegion": witness}
        return self.create_cluster(*place, request)

    def tell(self, cluster: Cluster, *peers: Cluster) -> None:
        asked = {"witnessRegion": cluster.witness_region, "clusters": [peer.arn for peer in peers]}
        self.update_cluster(cluster.account, cluster.region, cluster.identifier, {"multiRegionProperties": asked})

    def pair(self) -> tuple[Cluster, Cluster]:
        one, other = self.new(US_EAST_1), self.new(US_WEST_2)
        self.pass_time()
        self.tell(one, other)
        self.tell(other, one)
        self.pass_time()
        return one, other


@pytest.fixture
def dsql() -> Rehearsed:
    return Rehearsed()


# the life cycle


def test_single_region_cluster_is_created_and_then_active(dsql: Rehearsed) -> None:
    cluster = dsql.new(US_EAST_1, witness=None)
    assert dsql.status(cluster) == "CREATING"
    dsql.pass_time()
    assert dsql.status(cluster) == "ACTIVE"
    assert len(cluster.identifier) == 26
    assert cluster.endpoint == f"{cluster.identifier}.dsql.us-east-1.on.aws"


def test_side_of_a_pair_waits_for_the_other_to_name_it_too(dsql: Rehearsed) -> None:
    one, other = dsql.new(US_EAST_1), dsql.new(US_WEST_2)
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
    dsql.tell(one, other)
    assert dsql.status(one) == "UPDATING"
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
    dsql.tell(other, one)
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("ACTIVE", "ACTIVE")


def test_deleted_side_of_a_pair_waits_for_the_others_deletion(dsql: Rehearsed) -> None:
    one, other = dsql.pair()
    dsql.delete_cluster(*US_EAST_1, one.identifier)
    dsql.pass_time(1000)
    assert dsql.status(one) == "PENDING_DELETE"
    dsql.delete_cluster(*US_WEST_2, other.identifier)
    assert (dsql.status(one), dsql.status(other)) == ("DELETING", "DELETING")
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == dsql.list_clusters(*US_WEST_2) == []


def test_side_without_a_peer_is_deleted_alone(dsql: Rehearsed) -> None:
    one = dsql.new(US_EAST_1)
    dsql.pass_time()
    dsql.delete_cluster(*US_EAST_1, one.identifier)
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == []


@pytest.mark.parametrize("status", ["IDLE", "INACTIVE", "FAILED"])
def test_what_aws_decides_on_can_be_set(dsql: Rehearsed, status: str) -> None:
    one, _ = dsql.pair()
    dsql.set_status(*US_EAST_1, one.identifier, status)
    dsql.pass_time()
    assert dsql.status(one) == status


@pytest.mark.parametrize(("mode", "kept"), [("keep", True), ("drop", False)])
def test_update_without_clusters_keeps_or_drops_the_peers(mode: str, kept: bool) -> None:
    dsql = Rehearsed(mode)
    one, other = dsql.pair()
    dsql.update_cluster(*US_EAST_1, one.identifier, {"deletionProtectionEnabled": True})
    assert one.peers == ([other.arn] if kept else [])
    assert one.deletion_protection


def test_create_with_a_known_client_token_answers_with_the_same_cluster(dsql: Rehearsed) -> None:
    one, again = (dsql.create_cluster(*US_EAST_1, {"clientToken": "t"}) for _ in range(2))
    assert one is again
    assert dsql.create_cluster(*US_WEST_2, {"clientToken": "t"}) is not one


# refusals


@pytest.mark.parametrize(("witness", "quota"), [(None, 20), ("us-east-2", 5)])
def test_quota_of_a_region_is_kept(dsql: Rehearsed, witness: str | None, quota: int) -> None:
    for _ in range(quota):
        dsql.new(US_EAST_1, witness=witness)
    with pytest.raises(DsqlError) as refusal:
        dsql.new(US_EAST_1, witness=witness)
    assert refusal.value.code == "ServiceQuotaExceededException"
    dsql.new(US_WEST_2, witness=witness)


def test_unknown_cluster_is_not_found(dsql: Rehearsed) -> None:
    with pytest.raises(DsqlError) as refusal:
        dsql.get_cluster(*US_EAST_1, "x" * 26)
    assert refusal.value.code == "ResourceNotFoundException"


def test_cluster_in_transition_is_a_conflict(dsql: Rehearsed) -> None:
    one = dsql.new(US_EAST_1)
    with pytest.raises(DsqlError, match="CREATING: try again later") as refusal:
        dsql.delete_cluster(*US_EAST_1, one.identifier)
    assert refusal.value.code == "ConflictException"
    with pytest.raises(DsqlError, match="CREATING: try again later"):
        dsql.update_cluster(*US_EAST_1, one.identifier, {})


def test_protected_cluster_is_not_deleted(dsql: Rehearsed) -> None:
    one = dsql.new(US_EAST_1, protected=True)
    dsql.pass_time()
    with pytest.raises(DsqlError, match="deletion protection"):
        dsql.delete_cluster(*US_EAST_1, one.identifier)
    assert dsql.status(one) == "PENDING_SETUP"


def test_impossible_topologies_are_refused(dsql: Rehearsed) -> None:
    one, other, alone = dsql.new(US_EAST_1), dsql.new(US_WEST_2), dsql.new(US_EAST_1, witness=None)
    neighbour, stranger = dsql.new(US_EAST_1), dsql.new(US_WEST_2, witness="eu-west-1")
    dsql.pass_time()
    with pytest.raises(DsqlError, match="is the cluster's own Region"):
        dsql.new(US_EAST_1, witness="us-east-1")
    with pytest.raises(DsqlError, match="one peer, and 2 were given"):
        dsql.tell(one, other, stranger)
    with pytest.raises(DsqlError, match="is in Region us-east-1"):
        dsql.tell(one, neighbour)
    with pytest.raises(DsqlError, match="has another witness Region"):
        dsql.tell(one, stranger)
    with pytest.raises(DsqlError, match="cannot become a multi-Region cluster"):
        dsql.tell(alone, other)
    gone = dsql.new(US_WEST_2)
    dsql.pass_time()
    dsql.delete_cluster(*US_WEST_2, gone.identifier)
    dsql.pass_time()
    with pytest.raises(DsqlError, match="does not exist"):
        dsql.tell(one, gone)


# faults


def test_transition_can_be_slow(dsql: Rehearsed) -> None:
    dsql.faults.switch_on(Fault("slow", "slow", region="us-east-1", call="CreateCluster", seconds=60))
    slow, quick = dsql.new(US_EAST_1, witness=None), dsql.new(US_WEST_2, witness=None)
    dsql.pass_time(59)
    assert (dsql.status(slow), dsql.status(quick)) == ("CREATING", "ACTIVE")
    dsql.pass_time(1)
    assert dsql.status(slow) == "ACTIVE"


def test_transition_can_be_stuck(dsql: Rehearsed) -> None:
    dsql.faults.switch_on(Fault("stuck", "stuck", call="CreateCluster"))
    cluster = dsql.new(US_EAST_1, witness=None)
    dsql.pass_time(10_000)
    assert dsql.status(cluster) == "CREATING"


def test_peering_can_be_stuck(dsql: Rehearsed) -> None:
    dsql.faults.switch_on(Fault("stuck", "stuck", call="Peering"))
    one, other = dsql.pair()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
