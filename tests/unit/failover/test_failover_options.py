from __future__ import annotations

from dsql_dr_constructs import FailoverOptions


def test_region_without_data_is_unhealthy_unless_somebody_decides_otherwise() -> None:
    assert FailoverOptions().unhealthy_without_data is True
