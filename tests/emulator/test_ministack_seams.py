from __future__ import annotations

from importlib import metadata

import pytest

from dsql_dr_constructs.emulator import ministack_seams


def test_ministack_is_the_pinned_one() -> None:
    assert metadata.version("ministack") == ministack_seams.PINNED_VERSION
    required = metadata.requires("dsql-dr-constructs") or []
    pinned = f'ministack=={ministack_seams.PINNED_VERSION} ; extra == "emulator"'
    assert pinned.replace(" ", "") in [one.replace("'", '"').replace(" ", "") for one in required]


def test_everything_that_is_reached_into_is_where_it_was() -> None:
    assert ministack_seams.moved() == []


def test_what_a_new_version_moves_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = {"ministack.app": {"app": ["somebody"], "gone_for_good": None}}
    monkeypatch.setattr(ministack_seams, "SEAMS", moved)
    assert ministack_seams.moved() == [
        "ministack.app.app takes ['scope', 'receive', 'send']",
        "ministack.app.gone_for_good is gone",
    ]
