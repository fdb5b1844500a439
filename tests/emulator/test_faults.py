from __future__ import annotations

import pytest

from dsql_dr_constructs.emulator.faults import Fault, Faults


def affected(faults: Faults, times: int, region: str = "us-east-1", call: str = "GetCluster") -> int:
    return sum(faults.affecting(("error",), region, "dsql", call) is not None for _ in range(times))


@pytest.fixture
def faults() -> Faults:
    return Faults()


def test_fault_affects_the_calls_that_it_names(faults: Faults) -> None:
    faults.inject(Fault("one", region="us-east-1", service="dsql", call="GetCluster"))
    assert affected(faults, 3) == 3
    assert affected(faults, 3, region="us-west-2") == affected(faults, 3, call="UpdateCluster") == 0


def test_fault_can_affect_the_first_calls_only(faults: Faults) -> None:
    faults.inject(Fault("throttled", error="ThrottlingException", first=2))
    assert affected(faults, 10) == 2
    faults.inject(Fault("throttled", first=2))
    assert affected(faults, 10) == 2, "injected again, it begins anew"


def test_fault_can_affect_a_share_of_the_calls_and_always_the_same_ones(faults: Faults) -> None:
    faults.inject(Fault("some", share=0.3))
    again = Faults()
    again.inject(Fault("some", share=0.3))
    hits = affected(faults, 1000)
    assert 250 < hits < 350
    assert affected(again, 1000) == hits


def test_faults_are_cleared_by_name_or_all(faults: Faults) -> None:
    faults.inject(Fault("one", call="GetCluster"))
    faults.inject(Fault("other", call="UpdateCluster"))
    faults.clear("one")
    assert (affected(faults, 1), affected(faults, 1, call="UpdateCluster")) == (0, 1)
    faults.clear()
    assert affected(faults, 1, call="UpdateCluster") == 0


def test_unknown_effects_and_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="one of error, timeout, slow, stuck is allowed"):
        Fault("typo", "errors")
    with pytest.raises(ValueError, match="0 to 1 is allowed"):
        Fault("much", share=30)
