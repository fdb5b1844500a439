"""What `make release-rehearsal` does."""

from __future__ import annotations

from tests import release_rehearsal


def test_release_goes_through_from_sources_to_an_upgrade() -> None:
    said = release_rehearsal.main()
    assert said.startswith("Released 0.1.0 to a PyPI of our own: 4 files, the same bytes when built twice")
    assert said.endswith("4 stacks synthesized, and the client imported without them.")
