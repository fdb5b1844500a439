"""Random walks through the life of clusters in two Regions, with faults, against a small reference of the documents.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from dsql_dr_constructs.emulator import Fault
from dsql_dr_constructs.emulator.dsql import MULTI_REGION_QUOTA, Dsql
from dsql_dr_constructs.emulator.dsql_api import DsqlCall, answer
from dsql_dr_constructs.emulator.faults import Faults
from tests.runtime.judge import hold_answer

ACCOUNT, WITNESS = "111111111111", "us-east-2"
REGIONS = ("us-east-1", "us-west-2")
GONE = "gone"

BY_ITSELF = {
    "CREATING": {"PENDING_SETUP"},
    "PENDING_SETUP": {"ACTIVE"},
    "UPDATING": {"ACTIVE", "PENDING_SETUP"},
    "DELETING": {GONE},
}
"""Where time alone leads; everything else is somebody's call, whose rule says what follows. What waits in
PENDING_DELETE goes on only when its peer is deleted."""
IN_TRANSITION = {"CREATING", "UPDATING"}
"""Where an update is refused; a deletion is so only while the cluster is created."""
LEAVING = {"PENDING_DELETE", "DELETING"}
WAIT = st.sampled_from([1.5, 6.0, 0.4, 0.0])
"""Seconds before a call; a transition takes one, a slow one five."""


@dataclass
class Known:
    """A cluster as the documents say it must be."""

    region: str
    arn: str
    protected: bool
    status: str = "CREATING"
    peers: set[str] = field(default_factory=set)

    @property
    def identifier(self) -> str:
        return self.arn.rpartition("/")[2]


class LifeOfClusters(RuleBasedStateMachine):
    clusters = Bundle("clusters")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.faults = Faults()
        self.dsql = Dsql(self.faults, transition_seconds=1.0, clock=lambda: self.now)
        self.known: dict[str, Known] = {}

    # what people do

    @initialize(target=clusters)
    def a_cluster_in_each_region(self) -> Any:
        return multiple(*(self.make(region, {"deletionProtectionEnabled": False}) for region in REGIONS))

    @precondition(lambda self: len(self.known) < 2 * MULTI_REGION_QUOTA + 2)
    @rule(
        target=clusters,
        region=st.sampled_from(REGIONS),
        protection=st.sampled_from([{"deletionProtectionEnabled": False}, {}]),
    )
    def create(self, region: str, protection: dict[str, bool]) -> Any:
        arn = self.make(region, protection)
        return arn if arn else multiple()

    def make(self, region: str, protection: dict[str, bool]) -> str | None:
        asked = {"multiRegionProperties": {"witnessRegion": WITNESS}, **protection}
        status, made = self.call("CreateCluster", region, "", asked)
        there = [one for one in self.known.values() if one.region == region and one.status != GONE]
        if len(there) >= MULTI_REGION_QUOTA:
            assert status == 402
            return None
        assert (status, made["status"]) == (200, "CREATING")
        self.known[made["arn"]] = Known(region, made["arn"], protected=not protection)  # as AWS has it by default
        return str(made["arn"])

    @rule(one=clusters, other=clusters, wait=WAIT)
    def name_as_peer(self, one: str, other: str, wait: float) -> None:
        self.pass_time(wait)
        cluster, peer = self.known[one], self.known[other]
        status, _ = self.update(cluster, {"witnessRegion": WITNESS, "clusters": [other]})
        if self.refused(cluster, status):
            return
        if one == other:
            assert status == 200, "AWS lists the cluster itself, too"
            cluster.peers = set()
        elif peer.status == GONE or peer.region == cluster.region:
            assert status == 400
            return
        else:
            assert status == 200
            cluster.peers = {other}
        cluster.status = "UPDATING"

    @rule(one=clusters, wait=WAIT)
    def remove_the_peer(self, one: str, wait: float) -> None:
        self.pass_time(wait)
        cluster = self.known[one]
        status, _ = self.update(cluster, {"witnessRegion": WITNESS, "clusters": []})
        if not self.refused(cluster, status):
            assert status == 200
            cluster.peers, cluster.status = set(), "UPDATING"

    @rule(one=clusters, protected=st.sampled_from([False, False, True]), wait=WAIT)
    def protect(self, one: str, protected: bool, wait: float) -> None:
        self.pass_time(wait)
        cluster = self.known[one]
        status, _ = self.call(
            "UpdateCluster", cluster.region, cluster.identifier, {"deletionProtectionEnabled": protected}
        )
        if not self.refused(cluster, status):
            assert status == 200
            cluster.protected, cluster.status = protected, "UPDATING"

    @rule(one=clusters, wait=WAIT)
    def delete_one(self, one: str, wait: float) -> None:
        self.delete(one, wait)

    def delete(self, one: str, wait: float) -> None:
        self.pass_time(wait)
        cluster = self.known[one]
        status, _ = self.call("DeleteCluster", cluster.region, cluster.identifier)
        if self.refused(cluster, status, {"CREATING"}):
            return
        if cluster.protected:
            assert status == 400, "protection holds"
            return
        assert status == 200
        partners = self.partners(cluster)
        if partners and not all(peer.status in LEAVING for peer in partners):
            cluster.status = "PENDING_DELETE"
        else:
            for gone in (cluster, *partners):
                gone.status = "DELETING"

    @rule(wait=WAIT)
    def become_a_pair(self, wait: float) -> None:
        """What chance alone would seldom do: a side of each Region names the other."""
        self.pass_time(wait)
        free = [one for one in self.known.values() if one.status in ("PENDING_SETUP", "ACTIVE") and not one.peers]
        sides = [next((one for one in free if one.region == region), None) for region in REGIONS]
        for cluster, peer in (sides, sides[::-1]):
            if cluster and peer:
                status, _ = self.update(cluster, {"witnessRegion": WITNESS, "clusters": [peer.arn]})
                assert status == 200
                cluster.peers, cluster.status = {peer.arn}, "UPDATING"

    @rule(wait=WAIT, both=st.booleans())
    def a_pair_is_deleted(self, wait: float, both: bool) -> None:
        self.pass_time(wait)
        pairs = [(one, *self.partners(one)) for one in self.known.values() if one.status != GONE and self.partners(one)]
        for side in pairs[0][: 2 if both else 1] if pairs else ():
            self.delete(side.arn, 0.0)

    # what AWS does

    @rule(one=clusters, status=st.sampled_from(["IDLE", "INACTIVE"]))
    def nobody_connects(self, one: str, status: str) -> None:
        cluster = self.known[one]
        if cluster.status == "ACTIVE":
            self.dsql.set_status(ACCOUNT, cluster.region, cluster.identifier, status)
            cluster.status = status

    @rule(call=st.sampled_from(["CreateCluster", "UpdateCluster", "DeleteCluster"]), region=st.sampled_from(REGIONS))
    def transitions_are_slow_for_once(self, call: str, region: str) -> None:
        self.faults.inject(Fault("slow", "slow", region=region, service="dsql", call=call, first=1, seconds=5.0))

    @rule(seconds=WAIT)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for cluster in self.known.values():
            self.observe(cluster)

    # what must hold

    @invariant()
    def what_is_seen_is_what_the_documents_say(self) -> None:
        for cluster in self.known.values():
            self.observe(cluster)
        for cluster in self.known.values():
            for peer in self.partners(cluster):
                settled = not {cluster.status, peer.status} & {*IN_TRANSITION, *LEAVING}
                assert not settled or "PENDING_SETUP" not in (cluster.status, peer.status), "both know each other"
            if cluster.status == "PENDING_DELETE":
                assert cluster.peers, "only a peer is worth waiting for"

    def observe(self, cluster: Known) -> None:
        """At most one step since the last call, and a legal one."""
        status, found = self.call("GetCluster", cluster.region, cluster.identifier)
        seen = str(found["status"]) if status == 200 else GONE
        assert seen == cluster.status or seen in BY_ITSELF.get(cluster.status, ()), f"{cluster.status} became {seen}"
        cluster.status = seen
        if seen != GONE:
            assert set(found["multiRegionProperties"]["clusters"]) - {cluster.arn} == cluster.peers
            assert found["deletionProtectionEnabled"] == cluster.protected

    def partners(self, cluster: Known) -> list[Known]:
        if cluster.status == GONE:
            return []
        found = [self.known[arn] for arn in cluster.peers]
        return [peer for peer in found if peer.status != GONE and cluster.arn in peer.peers]

    def refused(self, cluster: Known, status: int, in_transition: AbstractSet[str] = IN_TRANSITION) -> bool:
        """Whether the call had to be refused for the state that *cluster* is in."""
        if cluster.status == GONE:
            assert status == 404
        elif cluster.status in in_transition | LEAVING:
            assert status == 409
        else:
            return False
        return True

    def update(self, cluster: Known, properties: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return self.call("UpdateCluster", cluster.region, cluster.identifier, {"multiRegionProperties": properties})

    def call(
        self, name: str, region: str, identifier: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        status, _, content = answer(DsqlCall(name, ACCOUNT, region, identifier, body or {}, {}), self.dsql)
        found: dict[str, Any] = json.loads(content)
        if status == 200:
            hold_answer("dsql", name, found)
        return status, found


TestLifeOfClusters = LifeOfClusters.TestCase
TestLifeOfClusters.settings = settings(max_examples=150, stateful_step_count=40)
