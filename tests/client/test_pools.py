"""The thread that probes endpoints in the background."""

from __future__ import annotations

import threading
import time

import pytest

from dsql_dr_client import _pools
from dsql_dr_client._pools import Pool, Pools
from dsql_dr_client._routing import Router

HOME, PEER = "us-east-1", "us-west-2"


def nothing(region: str) -> Pool:
    raise AssertionError


def test_request_waits_for_a_probe_that_a_frozen_process_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pools, "CATCH_UP", 20)
    router = Router([HOME, PEER], return_after=1, clock=lambda: time.monotonic() - 60, jitter=lambda low, high: low)
    router.unanswered(HOME, "no answer")
    pools = Pools("test-", make=nothing, probe=router.connected, router=router)
    pools.open()
    pools.catch_up(20)
    assert router.healthy
    pools.close(20)


def test_failing_thread_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    def probe(region: str) -> None:
        probed.append(region)
        if len(probed) == 1:
            raise ZeroDivisionError
        router.connected(region)
        second.set()

    second = threading.Event()
    probed: list[str] = []
    router = Router([HOME, PEER], return_after=1, jitter=lambda low, high: low)
    pools = Pools("test-", make=nothing, probe=probe, router=router)
    pools.open()
    router.unanswered(HOME, "no answer")
    pools.catch_up(20)
    assert pools._thread
    pools._thread.join(20)
    router.unanswered(PEER, "no answer")
    pools.catch_up(20)
    assert second.wait(20)
    pools.close(20)
    assert probed == [HOME, PEER]
    assert "Probing the endpoints failed" in caplog.text
