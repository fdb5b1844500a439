from __future__ import annotations

import inspect

from dsql_dr_constructs import MultiRegionDsqlDr
from tests.unit.public_api import PINNED, surface


def test_surface_is_the_reviewed_one() -> None:
    """A change here is a change for every user: run `python -m tests.unit.public_api`, and add it to the changelog."""
    assert surface().splitlines() == PINNED.read_text().splitlines()


def test_default_configuration_has_few_parameters() -> None:
    """Whatever only some decide is a field of options."""
    assert len(set(inspect.signature(MultiRegionDsqlDr).parameters) - {"scope", "id"}) <= 18
