"""Which Region's endpoint a request goes to. No I/O: clock and random numbers are given, and both pools use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from random import uniform

from ._events import CIRCUIT, EVACUATED, FAILOVER, Event

FIRST_PROBE = 0.5
LONGEST_PROBE = 15.0
"""Seconds to the probe of an open circuit: full jitter, twice as long after each failure, up to this."""
PROBES_TO_RETURN = 2
"""One successful probe is not enough, however much time has passed: a frozen process has seen nothing meanwhile."""
LOSSES_TO_SUSPECT = 3
"""One connection may be lost for its own reasons; so many, and no successful transaction, are the endpoint's."""


class State(str, Enum):
    """Of the circuit of one endpoint."""

    CLOSED = "closed"
    """Healthy."""
    HALF_OPEN = "half-open"
    """Probed in the background, and used only if the other endpoint is worse."""
    OPEN = "open"
    """Failed: used only if there is no other one, and probed in the background."""


_WORSE = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 4}
_EVACUATED = 2


@dataclass
class _Circuit:
    state: State = State.CLOSED
    reason: str = ""
    failures: int = 0
    losses: int = 0
    suspected: bool = False
    probe_at: float = 0.0
    probing_until: float = 0.0
    healthy_since: float | None = None
    probes: int = 0


class Router:
    """The own Region first, the peer while that fails or is evacuated, and never none.

    A connection that is lost says little: it may be old, or the process was frozen. A new one that fails is certain,
    and opens the circuit. A missing answer is in between: the peer is used until a probe has come back, and if that
    succeeds, only the statement took long.

    Args:
        regions: The own one first.
        return_after: Seconds for which a failed endpoint must be healthy before it is used again.
        emit: Called with each event, outside of the lock.
        clock: Seconds that never go back.
        jitter: A random number between two.
    """

    def __init__(
        self,
        regions: Sequence[str],
        *,
        return_after: float,
        emit: Callable[[Event], object] = lambda event: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = uniform,
    ) -> None:
        self._circuits = {region: _Circuit() for region in regions}
        self._return_after = return_after
        self._emit, self._clock, self._jitter = emit, clock, jitter
        self._lock = threading.Lock()
        self._evacuated: str | None = None
        self._order = list(regions)
        self.healthy = True
        """Whether all circuits are closed; an attribute, since every request asks."""

    @property
    def region(self) -> str:
        """Where the next request goes."""
        return self._order[0]

    @property
    def evacuated(self) -> str | None:
        return self._evacuated

    def state(self, region: str) -> State:
        return self._circuits[region].state

    def reason(self, region: str) -> str:
        """Why its circuit was opened last."""
        return self._circuits[region].reason

    def reasons_of_failed(self) -> dict[str, str]:
        """By Region, of the circuits that are open."""
        return {region: one.reason for region, one in self._circuits.items() if one.state is State.OPEN}

    def choose(self, tried: Collection[str] = ()) -> str | None:
        """The best endpoint that is not among those *tried*."""
        if not tried:
            return self._order[0]
        return next((region for region in self._order if region not in tried), None)

    def connected(self, region: str) -> None:
        """A new connection was made: by a probe, or for a request."""
        if self._circuits[region].state is State.CLOSED:
            return
        with self._changing(region) as circuit:
            now = self._clock()
            circuit.failures, circuit.losses, circuit.probing_until = 0, 0, 0.0
            circuit.healthy_since = now if circuit.healthy_since is None else circuit.healthy_since
            circuit.probes += 1
            returns_at = circuit.healthy_since + self._return_after
            if circuit.suspected or (now >= returns_at and circuit.probes >= PROBES_TO_RETURN):
                self._circuits[region] = _Circuit(reason=circuit.reason)
            else:
                circuit.state = State.HALF_OPEN
                next_probe = now + self._jitter(0, self._return_after / PROBES_TO_RETURN)
                circuit.probe_at = min(next_probe, returns_at) if now < returns_at else next_probe

    def failed(self, region: str, reason: str) -> None:
        """No new connection could be made, or it refuses to write: the circuit is open."""
        with self._changing(region) as circuit:
            now = self._clock()
            circuit.reason, circuit.probing_until = reason, 0.0
            if circuit.state is State.OPEN and now < circuit.probe_at:
                return  # known already, and each of many requests that failed at once would postpone the probe
            circuit.probe_at = now + self._jitter(0, min(LONGEST_PROBE, FIRST_PROBE * 2**circuit.failures))
            circuit.state, circuit.suspected = State.OPEN, False
            circuit.failures, circuit.healthy_since, circuit.probes = min(circuit.failures + 1, 30), None, 0

    def unanswered(self, region: str, reason: str) -> None:
        """A connection gave no answer in time: a probe decides, and nobody else waits meanwhile."""
        with self._changing(region) as circuit:
            circuit.reason, circuit.losses = reason, 0
            if circuit.state is not State.OPEN:
                circuit.suspected = circuit.state is State.CLOSED or circuit.suspected
                circuit.state, circuit.probe_at = State.HALF_OPEN, self._clock()
                circuit.healthy_since, circuit.probes = None, 0

    def lost(self, region: str, reason: str) -> None:
        """A connection ended within a transaction."""
        circuit = self._circuits[region]
        circuit.losses += 1
        if circuit.losses >= LOSSES_TO_SUSPECT:
            self.unanswered(region, reason)

    def served(self, region: str) -> None:
        """A transaction came to its end."""
        self._circuits[region].losses = 0

    def evacuate(self, region: str | None) -> None:
        """*region* is declared evacuated, or none is."""
        if region != self._evacuated:
            with self._changing(self._order[0]):
                self._evacuated = region
            self._emit(Event(EVACUATED, {"cloud.region": region or ""}))

    def next_probe(self) -> float | None:
        """When `begin_probe` is due; None if all circuits are closed."""
        unhealthy = (circuit for circuit in self._circuits.values() if circuit.state is not State.CLOSED)
        return min((max(circuit.probe_at, circuit.probing_until) for circuit in unhealthy), default=None)

    def begin_probe(self) -> str | None:
        """A Region whose probe is due: one at a time, which ends with `connected` or `failed`.

        One that ends with neither, since its task was cancelled or its process forked, is given up after a while.
        """
        with self._lock:
            now = self._clock()
            for region, circuit in self._circuits.items():
                due = max(circuit.probe_at, circuit.probing_until)
                if circuit.state is not State.CLOSED and due <= now:
                    circuit.probing_until = now + LONGEST_PROBE
                    return region
        return None

    @contextmanager
    def _changing(self, region: str) -> Iterator[_Circuit]:
        """Settle the order after a change, and report what is new."""
        events = []
        with self._lock:
            used, before = self._order[0], self._circuits[region].state
            yield self._circuits[region]
            circuit = self._circuits[region]
            home = list(self._circuits)
            self._order = sorted(home, key=lambda one: (self._rank(one), home.index(one)))
            self.healthy = all(one.state is State.CLOSED for one in self._circuits.values())
            if circuit.state is not before:
                why = {} if circuit.state is State.CLOSED else {"error.message": circuit.reason}
                events.append(Event(CIRCUIT, {"cloud.region": region, "state": circuit.state.value, **why}))
            if self._order[0] != used:
                events.append(Event(FAILOVER, {"from": used, "to": self._order[0]}))
        for event in events:
            self._emit(event)

    def _rank(self, region: str) -> int:
        return _WORSE[self._circuits[region].state] + (_EVACUATED if region == self._evacuated else 0)
