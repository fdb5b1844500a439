from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.dsql_cluster import Cluster, DsqlError
from dsql_dr_constructs.emulator.dsql_streams import create_stream, delete_stream
from dsql_dr_constructs.emulator.faults import Fault, Faults
from dsql_dr_constructs.emulator.undocumented import Undocumented

US_EAST_1, US_WEST_2 = ("111111111111", "us-east-1"), ("111111111111", "us-west-2")
Place = tuple[str, str]


class ClockedDsql(Dsql):
    """With a clock that stands still until it is moved."""

    def __init__(self, undocumented: Undocumented | None = None) -> None:
        self.faults = Faults()
        self.now = 0.0
        super().__init__(
            self.faults,
            transition_seconds=10,
            undocumented=undocumented,
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

    def update(self, cluster: Cluster, *peers: Cluster, witness: str | None = None) -> None:
        asked = {"witnessRegion": witness or cluster.witness_region, "clusters": [peer.arn for peer in peers]}
        self.change(cluster, multiRegionProperties=asked)

    def change(self, cluster: Cluster, **request: Any) -> None:
        self.update_cluster(cluster.account, cluster.region, cluster.identifier, request)

    def delete(self, cluster: Cluster) -> None:
        self.delete_cluster(cluster.account, cluster.region, cluster.identifier)

    def pair(self) -> tuple[Cluster, Cluster]:
        one, other = self.new(US_EAST_1), self.new(US_WEST_2)
        self.pass_time()
        self.update(one, other)
        self.update(other, one)
        self.pass_time()
        return one, other


@pytest.fixture
def dsql() -> ClockedDsql:
    return ClockedDsql()


# the life cycle


def test_single_region_cluster_is_created_and_then_active(dsql: ClockedDsql) -> None:
    cluster = dsql.new(US_EAST_1, witness=None)
    assert dsql.status(cluster) == "CREATING"
    dsql.pass_time()
    assert dsql.status(cluster) == "ACTIVE"
    assert len(cluster.identifier) == 26
    assert cluster.endpoint == f"{cluster.identifier}.dsql.us-east-1.on.aws"


def test_side_of_a_pair_waits_for_the_other_to_name_it_too(dsql: ClockedDsql) -> None:
    one, other = dsql.new(US_EAST_1), dsql.new(US_WEST_2)
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
    dsql.update(one, other)
    assert dsql.status(one) == "UPDATING"
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
    dsql.update(other, one)
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("ACTIVE", "ACTIVE")


def test_deleted_side_of_a_pair_waits_for_the_others_deletion(dsql: ClockedDsql) -> None:
    one, other = dsql.pair()
    dsql.delete_cluster(*US_EAST_1, one.identifier)
    dsql.pass_time(1000)
    assert dsql.status(one) == "PENDING_DELETE"
    dsql.delete_cluster(*US_WEST_2, other.identifier)
    assert (dsql.status(one), dsql.status(other)) == ("DELETING", "DELETING")
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == dsql.list_clusters(*US_WEST_2) == []


def test_side_without_a_peer_is_deleted_alone(dsql: ClockedDsql) -> None:
    one = dsql.new(US_EAST_1)
    dsql.pass_time()
    dsql.delete_cluster(*US_EAST_1, one.identifier)
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == []


@pytest.mark.parametrize("status", ["IDLE", "INACTIVE", "FAILED"])
def test_what_aws_decides_on_can_be_set(dsql: ClockedDsql, status: str) -> None:
    one, _ = dsql.pair()
    dsql.set_status(*US_EAST_1, one.identifier, status)
    dsql.pass_time()
    assert dsql.status(one) == status


@pytest.mark.parametrize(("mode", "kept"), [("keep", True), ("drop", False)])
def test_update_without_clusters_keeps_or_drops_the_peers(mode: str, kept: bool) -> None:
    dsql = ClockedDsql(Undocumented(update_without_clusters=mode))
    one, other = dsql.pair()
    dsql.update_cluster(*US_EAST_1, one.identifier, {"deletionProtectionEnabled": True})
    assert one.peers == ([other.arn] if kept else [])
    assert one.deletion_protection


def test_create_with_a_known_client_token_answers_with_the_same_cluster(dsql: ClockedDsql) -> None:
    one, again = (dsql.create_cluster(*US_EAST_1, {"clientToken": "t"}) for _ in range(2))
    assert one is again
    assert dsql.create_cluster(*US_WEST_2, {"clientToken": "t"}) is not one


def test_protection_is_switched_off_and_the_cluster_deleted_at_once(dsql: ClockedDsql) -> None:
    """As AWS's own sample programs do it: aws-samples/aurora-dsql-samples, cluster_management."""
    cluster = dsql.new(US_EAST_1, witness=None, protected=True)
    dsql.pass_time()
    dsql.change(cluster, deletionProtectionEnabled=False)
    assert (dsql.status(cluster), cluster.deletion_protection) == ("UPDATING", False)
    dsql.delete(cluster)
    assert dsql.status(cluster) == "DELETING"
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == []


def test_pair_is_deleted_one_after_the_other_while_both_are_updated(dsql: ClockedDsql) -> None:
    one, other = dsql.pair()
    for cluster in (one, other):
        dsql.change(cluster, deletionProtectionEnabled=False)
    dsql.delete(one)
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_DELETE", "ACTIVE")
    dsql.change(other, deletionProtectionEnabled=False)
    dsql.delete(other)
    dsql.pass_time()
    assert dsql.list_clusters(*US_EAST_1) == dsql.list_clusters(*US_WEST_2) == []


# keys


def test_cluster_whose_key_is_not_accessible_accepts_nobody() -> None:
    usable = True

    def use_key(cluster_arn: str, key: str) -> str:
        if not usable:
            raise DsqlError("ValidationException", f"{cluster_arn} may not use {key}.")
        return f"arn:{key}"

    dsql = Dsql(Faults(), transition_seconds=0, use_key=use_key)
    cluster = dsql.create_cluster(*US_EAST_1, {"kmsEncryptionKey": "ours"})
    open_to_all = dsql.create_cluster(*US_EAST_1, {})
    dsql.list_clusters(*US_EAST_1)
    assert (cluster.kms_key, dsql.status_at(cluster.endpoint)) == ("arn:ours", "ACTIVE")
    usable = False
    assert dsql.status_at(cluster.endpoint) == "KMS_KEY_INACCESSIBLE"
    assert dsql.status_at(open_to_all.endpoint) == "ACTIVE"
    assert dsql.status_at("nowhere.dsql.us-east-1.on.aws") == "not found"
    with pytest.raises(DsqlError, match="may not use other"):
        dsql.create_cluster(*US_EAST_1, {"kmsEncryptionKey": "other"})
    assert len(dsql.list_clusters(*US_EAST_1)) == 2


# what AWS does not document


def test_each_cluster_has_the_witness_of_its_own_update_and_the_pair_goes_on_serving(dsql: ClockedDsql) -> None:
    one, other = dsql.pair()
    dsql.change(one, multiRegionProperties={"witnessRegion": "ca-central-1"})
    assert (one.witness_region, other.witness_region) == ("ca-central-1", "us-east-2")
    assert one.peers == [other.arn]
    dsql.update(other, one, witness="ca-central-1")
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("ACTIVE", "ACTIVE")
    assert (one.witness_region, other.witness_region) == ("ca-central-1", "ca-central-1")


def test_new_pair_waits_until_both_sides_have_one_witness(dsql: ClockedDsql) -> None:
    one, other = dsql.new(US_EAST_1), dsql.new(US_WEST_2)
    dsql.pass_time()
    dsql.update(one, other)
    dsql.pass_time()
    dsql.update(other, one)
    dsql.change(one, multiRegionProperties={"witnessRegion": "ca-central-1"})
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
    dsql.change(other, multiRegionProperties={"witnessRegion": "ca-central-1"})
    dsql.pass_time()
    assert (dsql.status(one), dsql.status(other)) == ("ACTIVE", "ACTIVE")


@pytest.mark.parametrize("paired", [True, False])
def test_change_of_the_witness_can_be_refused(paired: bool) -> None:
    dsql = ClockedDsql(Undocumented(witness_change="refuse"))
    one = dsql.pair()[0] if paired else dsql.new(US_EAST_1)
    dsql.pass_time()
    with pytest.raises(DsqlError, match=r"witness Region us-east-2 of cluster .* cannot be changed") as refusal:
        dsql.change(one, multiRegionProperties={"witnessRegion": "ca-central-1"})
    assert refusal.value.code == "ValidationException"
    assert (one.witness_region, one.status) == ("us-east-2", "ACTIVE" if paired else "PENDING_SETUP")
    dsql.change(one, multiRegionProperties={"witnessRegion": "us-east-2"})


@pytest.mark.parametrize(("mode", "kept"), [("remove", False), ("ignore", True)])
def test_empty_clusters_remove_the_peer_or_are_ignored(mode: str, kept: bool) -> None:
    dsql = ClockedDsql(Undocumented(empty_clusters=mode))
    one, other = dsql.pair()
    dsql.change(one, multiRegionProperties={"witnessRegion": "us-east-2", "clusters": []})
    assert (one.peers, one.status) == ([other.arn] if kept else [], "UPDATING")


def test_empty_clusters_can_be_refused_where_there_is_a_peer() -> None:
    dsql = ClockedDsql(Undocumented(empty_clusters="refuse"))
    one, other = dsql.pair()
    alone = dsql.new(US_EAST_1)
    dsql.pass_time()
    with pytest.raises(DsqlError, match=r"clusters is empty, and cluster .* has a peer") as refusal:
        dsql.update(one)
    assert (refusal.value.code, one.peers, one.status) == ("ValidationException", [other.arn], "ACTIVE")
    dsql.update(alone)
    assert alone.status == "UPDATING"


def test_choice_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="empty_clusters is 'never': one of remove, refuse, ignore is allowed"):
        Undocumented(empty_clusters="never")


# refusals


@pytest.mark.parametrize(("witness", "quota"), [(None, 20), ("us-east-2", 5)])
def test_quota_of_a_region_is_kept(dsql: ClockedDsql, witness: str | None, quota: int) -> None:
    for _ in range(quota):
        dsql.new(US_EAST_1, witness=witness)
    with pytest.raises(DsqlError) as refusal:
        dsql.new(US_EAST_1, witness=witness)
    assert refusal.value.code == "ServiceQuotaExceededException"
    dsql.new(US_WEST_2, witness=witness)


def test_unknown_cluster_is_not_found(dsql: ClockedDsql) -> None:
    with pytest.raises(DsqlError) as refusal:
        dsql.get_cluster(*US_EAST_1, "x" * 26)
    assert refusal.value.code == "ResourceNotFoundException"


def test_cluster_in_transition_is_a_conflict(dsql: ClockedDsql) -> None:
    one = dsql.new(US_EAST_1)
    with pytest.raises(DsqlError, match="CREATING: try again later") as refusal:
        dsql.delete_cluster(*US_EAST_1, one.identifier)
    assert refusal.value.code == "ConflictException"
    with pytest.raises(DsqlError, match="CREATING: try again later"):
        dsql.update_cluster(*US_EAST_1, one.identifier, {})
    dsql.pass_time()
    dsql.change(one)
    with pytest.raises(DsqlError, match="UPDATING: try again later"):
        dsql.change(one)
    dsql.delete(one)
    with pytest.raises(DsqlError, match="DELETING: try again later"):
        dsql.delete(one)


def test_stream_in_transition_is_a_conflict(dsql: ClockedDsql) -> None:
    one, _ = dsql.pair()
    assert dsql.status(one) == "ACTIVE"
    stream = create_stream(dsql, one, {})
    with pytest.raises(DsqlError, match="CREATING: try again later") as refusal:
        delete_stream(dsql, one, stream.identifier)
    assert refusal.value.code == "ConflictException"
    dsql.pass_time()
    delete_stream(dsql, one, stream.identifier)
    with pytest.raises(DsqlError, match="DELETING: try again later"):
        delete_stream(dsql, one, stream.identifier)


def test_protected_cluster_is_not_deleted(dsql: ClockedDsql) -> None:
    one = dsql.new(US_EAST_1, protected=True)
    dsql.pass_time()
    with pytest.raises(DsqlError, match="deletion protection"):
        dsql.delete_cluster(*US_EAST_1, one.identifier)
    assert dsql.status(one) == "PENDING_SETUP"


def test_impossible_topologies_are_refused(dsql: ClockedDsql) -> None:
    one, other, alone = dsql.new(US_EAST_1), dsql.new(US_WEST_2), dsql.new(US_EAST_1, witness=None)
    neighbour, stranger = dsql.new(US_EAST_1), dsql.new(US_WEST_2, witness="eu-west-1")
    dsql.pass_time()
    with pytest.raises(DsqlError, match="is the cluster's own Region"):
        dsql.new(US_EAST_1, witness="us-east-1")
    with pytest.raises(DsqlError, match="one peer, and 2 were given"):
        dsql.update(one, other, stranger)
    with pytest.raises(DsqlError, match="is in Region us-east-1"):
        dsql.update(one, neighbour)
    with pytest.raises(DsqlError, match="has another witness Region"):
        dsql.update(one, stranger)
    with pytest.raises(DsqlError, match="cannot become a multi-Region cluster"):
        dsql.update(alone, other)
    gone = dsql.new(US_WEST_2)
    dsql.pass_time()
    dsql.delete_cluster(*US_WEST_2, gone.identifier)
    dsql.pass_time()
    with pytest.raises(DsqlError, match="does not exist"):
        dsql.update(one, gone)


# faults


def test_transition_can_be_slow(dsql: ClockedDsql) -> None:
    dsql.faults.inject(Fault("slow", "slow", region="us-east-1", call="CreateCluster", seconds=60))
    slow, quick = dsql.new(US_EAST_1, witness=None), dsql.new(US_WEST_2, witness=None)
    dsql.pass_time(59)
    assert (dsql.status(slow), dsql.status(quick)) == ("CREATING", "ACTIVE")
    dsql.pass_time(1)
    assert dsql.status(slow) == "ACTIVE"


def test_transition_can_be_stuck(dsql: ClockedDsql) -> None:
    dsql.faults.inject(Fault("stuck", "stuck", call="CreateCluster"))
    cluster = dsql.new(US_EAST_1, witness=None)
    dsql.pass_time(10_000)
    assert dsql.status(cluster) == "CREATING"


def test_peering_can_be_stuck(dsql: ClockedDsql) -> None:
    dsql.faults.inject(Fault("stuck", "stuck", call="Peering"))
    one, other = dsql.pair()
    assert (dsql.status(one), dsql.status(other)) == ("PENDING_SETUP", "PENDING_SETUP")
