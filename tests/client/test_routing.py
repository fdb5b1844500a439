"""Which Region's endpoint a request goes to, in simulated time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsql_dr_client import Event
from dsql_dr_client._routing import LONGEST_PROBE, LOSSES_TO_SUSPECT, PROBES_TO_RETURN, Router, State

HOME, PEER = "us-east-1", "us-west-2"
RETURN_AFTER = 30.0


@dataclass
class Simulated:
    """A router, its clock, and what it reported."""

    part: float = 0.5
    now: float = 1000.0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.router = Router(
            [HOME, PEER],
            return_after=RETURN_AFTER,
            emit=self.events.append,
            clock=lambda: self.now,
            jitter=lambda low, high: low + self.part * (high - low),
        )

    def probe(self, *, succeeds: bool) -> str | None:
        """Wait for the next probe that is due."""
        at = self.router.next_probe()
        if at is None:
            return None
        self.now = max(self.now, at)
        region = self.router.begin_probe()
        assert region, "due, and not begun"
        if succeeds:
            self.router.connected(region)
        else:
            self.router.failed(region, "refused")
        return region

    @property
    def moves(self) -> list[tuple[str | float, str | float]]:
        return [(one.attributes["from"], one.attributes["to"]) for one in self.events if one.name == "dsql.failover"]


@pytest.fixture
def simulated() -> Simulated:
    return Simulated()


def test_own_region_is_first(simulated: Simulated) -> None:
    assert simulated.router.region == HOME
    assert simulated.router.choose({HOME}) == PEER
    assert simulated.router.choose({HOME, PEER}) is None
    assert simulated.router.next_probe() is None


def test_endpoint_that_makes_no_connection_is_left_at_once(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    assert simulated.router.region == PEER
    assert simulated.router.reason(HOME) == "refused"
    assert simulated.moves == [(HOME, PEER)]


def test_requests_that_fail_together_do_not_postpone_the_probe(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    at = simulated.router.next_probe()
    for _ in range(200):
        simulated.router.failed(HOME, "refused")
    assert simulated.router.next_probe() == at


def test_probes_of_a_dead_endpoint_become_rarer_up_to_a_limit() -> None:
    simulated = Simulated(part=1.0)
    simulated.router.failed(HOME, "refused")
    pauses = []
    for _ in range(12):
        before = simulated.now
        assert simulated.probe(succeeds=False) == HOME
        pauses.append(simulated.now - before)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == LONGEST_PROBE


def test_only_one_probe_at_a_time(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    simulated.now += LONGEST_PROBE
    assert simulated.router.begin_probe() == HOME
    assert simulated.router.begin_probe() is None
    simulated.router.failed(HOME, "refused")
    simulated.now += LONGEST_PROBE
    assert simulated.router.begin_probe() == HOME


def test_probe_that_comes_to_no_end_is_given_up(simulated: Simulated) -> None:
    """Its task was cancelled, or its process is the child of a fork."""
    simulated.router.failed(HOME, "refused")
    simulated.now += LONGEST_PROBE
    assert simulated.router.begin_probe() == HOME
    at = simulated.router.next_probe()
    assert at, "the circuit is open"
    assert at > simulated.now, "who waits for the next probe waits"
    simulated.now = at
    assert simulated.router.begin_probe() == HOME


def test_pool_returns_when_the_own_region_was_healthy_for_a_while(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    simulated.probe(succeeds=True)
    healthy_since = simulated.now
    while simulated.router.region == PEER:
        assert simulated.router.state(HOME) is State.HALF_OPEN
        simulated.probe(succeeds=True)
    assert simulated.now - healthy_since == RETURN_AFTER
    assert simulated.moves == [(HOME, PEER), (PEER, HOME)]
    assert simulated.router.next_probe() is None


def test_failed_probe_begins_the_wait_anew(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    simulated.probe(succeeds=True)
    simulated.probe(succeeds=False)
    simulated.probe(succeeds=True)
    healthy_since = simulated.now
    while simulated.router.region == PEER:
        simulated.probe(succeeds=True)
    assert simulated.now - healthy_since == RETURN_AFTER


def test_peer_of_an_evacuated_region_is_left_at_once_when_it_fails_again_while_it_is_probed(
    simulated: Simulated,
) -> None:
    simulated.router.failed(PEER, "refused")
    simulated.router.evacuate(HOME)
    assert simulated.router.region == HOME, "evacuated is better than failed"
    simulated.probe(succeeds=True)
    assert (simulated.router.region, simulated.router.state(PEER)) == (PEER, State.HALF_OPEN)
    simulated.router.failed(PEER, "read-only")
    assert simulated.router.region == HOME


def test_time_in_which_the_process_was_frozen_proves_nothing(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    simulated.now += 3600
    simulated.probe(succeeds=True)
    assert simulated.router.region == PEER
    assert PROBES_TO_RETURN > 1


def test_missing_answer_sends_requests_to_the_peer_until_a_probe_comes_back(simulated: Simulated) -> None:
    simulated.router.unanswered(HOME, "no answer")
    assert simulated.router.region == PEER
    assert simulated.router.next_probe() == simulated.now
    simulated.probe(succeeds=True)
    assert simulated.router.region == HOME


def test_missing_answer_that_a_probe_confirms_opens_the_circuit(simulated: Simulated) -> None:
    simulated.router.unanswered(HOME, "no answer")
    simulated.probe(succeeds=False)
    assert simulated.router.state(HOME) is State.OPEN
    simulated.probe(succeeds=True)
    assert simulated.router.region == PEER, "it has failed for certain"


def test_connections_that_are_lost_again_and_again_are_a_suspicion(simulated: Simulated) -> None:
    for _ in range(LOSSES_TO_SUSPECT - 1):
        simulated.router.lost(HOME, "reset")
    assert simulated.router.region == HOME
    simulated.router.served(HOME)
    for _ in range(LOSSES_TO_SUSPECT - 1):
        simulated.router.lost(HOME, "reset")
    assert simulated.router.region == HOME
    simulated.router.lost(HOME, "reset")
    assert simulated.router.region == PEER


def test_of_two_failed_endpoints_the_one_that_answers_again_is_used(simulated: Simulated) -> None:
    simulated.router.failed(HOME, "refused")
    simulated.router.failed(PEER, "refused")
    assert simulated.router.region == HOME
    simulated.router.connected(PEER)
    assert simulated.router.region == PEER


def test_evacuated_region_is_left_and_returned_to_at_once(simulated: Simulated) -> None:
    simulated.router.evacuate(HOME)
    assert simulated.router.region == PEER
    simulated.router.evacuate(None)
    assert simulated.router.region == HOME
    assert [one.attributes["cloud.region"] for one in simulated.events if one.name == "dsql.evacuated"] == [HOME, ""]


def test_evacuated_region_serves_while_the_peer_is_dead(simulated: Simulated) -> None:
    simulated.router.evacuate(HOME)
    simulated.router.failed(PEER, "refused")
    assert simulated.router.region == HOME
    simulated.probe(succeeds=True)
    assert simulated.router.region == PEER


def test_one_declaration_is_reported_once(simulated: Simulated) -> None:
    for _ in range(3):
        simulated.router.evacuate(HOME)
    assert len([one for one in simulated.events if one.name == "dsql.evacuated"]) == 1


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens, in whatever order: there is a Region to go to, it is not the worse one, and probes go on."""

    def __init__(self) -> None:
        super().__init__()
        self.simulated = Simulated()
        self.router = self.simulated.router

    regions = st.sampled_from([HOME, PEER])

    @rule(region=regions)
    def fails(self, region: str) -> None:
        self.router.failed(region, "refused")

    @rule(region=regions)
    def gives_no_answer(self, region: str) -> None:
        self.router.unanswered(region, "no answer")

    @rule(region=regions)
    def loses_connection(self, region: str) -> None:
        self.router.lost(region, "reset")

    @rule(region=regions)
    def connects(self, region: str) -> None:
        self.router.connected(region)

    @rule(region=st.sampled_from([HOME, PEER, None]))
    def is_evacuated(self, region: str | None) -> None:
        self.router.evacuate(region)

    @rule(part=st.floats(0, 1), seconds=st.floats(0, 100))
    def time_passes(self, part: float, seconds: float) -> None:
        self.simulated.part = part
        self.simulated.now += seconds

    @precondition(lambda self: self.router.next_probe() is not None)
    @rule(succeeds=st.booleans())
    def is_probed(self, succeeds: bool) -> None:
        assert self.simulated.probe(succeeds=succeeds)

    @invariant()
    def never_none(self) -> None:
        assert self.router.choose() in (HOME, PEER)
        assert {self.router.choose({HOME}), self.router.choose({PEER})} == {HOME, PEER}

    @invariant()
    def healthy_endpoint_before_an_open_one(self) -> None:
        used = self.router.region
        other = {HOME: PEER, PEER: HOME}[used]
        if self.router.state(used) is State.OPEN:
            assert self.router.state(other) is State.OPEN

    @invariant()
    def evacuated_only_if_the_other_is_open(self) -> None:
        used = self.router.region
        other = {HOME: PEER, PEER: HOME}[used]
        if used == self.router.evacuated:
            assert self.router.state(other) is State.OPEN

    @invariant()
    def probed_until_all_are_healthy(self) -> None:
        healthy = all(self.router.state(one) is State.CLOSED for one in (HOME, PEER))
        assert (self.router.next_probe() is None) == healthy
        assert self.router.healthy == healthy

    def teardown(self) -> None:
        """From wherever it is, it comes home when all is healthy."""
        self.router.evacuate(None)
        self.simulated.part = 0.5
        for _ in range(100):
            if not self.simulated.probe(succeeds=True):
                break
        assert self.router.region == HOME


TestAnyHistory = AnyHistory.TestCase
