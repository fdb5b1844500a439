from __future__ import annotations

import pytest

from dsql_dr_constructs.emulator.faults import Fault, Faults


def strikes(faults: Faults, times: int, region: str = "us-east-1", call: str = "GetCluster") -> int:
    return sum(faults.strike(("error",), region, "dsql", call) is not None for _ in range(times))


@pytest.fixture
def faults() -> Faults:
    return Faults()


def test_fault_strikes_where_it_is_aimed_at(faults: Faults) -> None:
    faults.switch_on(Fault("one", region="us-east-1", service="dsql", call="GetCluster"))
    assert strikes(faults, 3) == 3
    assert strikes(faults, 3, region="us-west-2") == strikes(faults, 3, call="UpdateCluster") == 0


def test_fault_can_strike_the_first_calls_only(faults: Faults) -> None:
    faults.switch_on(Fault("throttled", error="ThrottlingException", first=2))
    assert strikes(faults, 10) == 2
    faults.switch_on(Fault("throttled", first=2))
    assert strikes(faults, 10) == 2, "switched on again, it begins anew"


def test_fault_can_strike_a_share_of_the_calls_and_always_the_same_ones(faults: Faults) -> None:
    faults.switch_on(Fault("some", share=0.3))
    again = Faults()
    again.switch_on(Fault("some", share=0.3))
    hits = strikes(faults, 1000)
    assert 250 < hits < 350
    assert strikes(again, 1000) == hits


def test_faults_are_cleared_by_name_or_all(faults: Faults) -> None:
    faults.switch_on(Fault("one", call="GetCluster"))
    faults.switch_on(Fault("other", call="UpdateCluster"))
    faults.clear("one")
    assert (strikes(faults, 1), strikes(faults, 1, call="UpdateCluster")) == (0, 1)
    faults.clear()
    assert strikes(faults, 1, call="UpdateCluster") == 0


def test_unknown_effects_and_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="one of error, silence, slow, stuck is allowed"):
        Fault("typo", "errors")
    with pytest.raises(ValueError, match="0 to 1 is allowed"):
        Fault("much", share=30)
