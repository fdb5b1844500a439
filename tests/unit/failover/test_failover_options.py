from __future__ import annotations

import re

import pytest

from dsql_dr_constructs import FailoverOptions


def test_more_than_half_of_the_observers_decide_and_a_region_without_data_is_unhealthy_unless_somebody_decides() -> (
    None
):
    options = FailoverOptions()
    assert options.unhealthy_observers is None
    assert options.unhealthy_without_data is True


@pytest.mark.parametrize("count", [0, -1])
def test_nobody_sees_a_region_down(count: int) -> None:
    sentence = f"unhealthy_observers is {count}: a number of observing Regions from 1 on is needed; or leave it out"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        FailoverOptions(unhealthy_observers=count)
