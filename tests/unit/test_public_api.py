from __future__ import annotations

from tests.unit.public_api import PINNED, surface


def test_surface_is_the_reviewed_one() -> None:
    """A change here is a change for every user: run `python -m tests.unit.public_api`, and tell it in the changelog."""
    assert surface().splitlines() == PINNED.read_text().splitlines()
