"""Which declaration holds, of all versions of the SSM parameters in both Regions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dsql_dr_constructs.runtime.evacuation import LONGEST_WHY, NOTHING_DECLARED, Declaration, newest

REGIONS = ("us-east-1", "us-west-2")
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
ALICE = "arn:aws:iam::111122223333:user/alice"


def version(value: str, minutes: float = 0, who: str = ALICE) -> dict[str, Any]:
    return {"Value": value, "LastModifiedDate": NOON + timedelta(minutes=minutes), "LastModifiedUser": who}


EAST = Declaration.value("us-east-1", "planned work")


def test_newest_of_both_regions_holds_whatever_their_order() -> None:
    versions = [version(Declaration.value(None, ""), 5), version(EAST, 7), version(Declaration.value("us-west-2", ""))]
    for order in (versions, versions[::-1]):
        found = newest(order, REGIONS)
        assert found == Declaration("us-east-1", "planned work", ALICE, NOON + timedelta(minutes=7))


def test_of_two_declarations_of_a_region_at_the_same_time_the_later_version_holds() -> None:
    versions = [{**version(EAST), "Version": 9}, {**version(Declaration.value(None, "")), "Version": 10}]
    for order in (versions, versions[::-1]):
        found = newest(order, REGIONS)
        assert found is not None
        assert found.region is None


def test_template_that_is_written_again_ends_no_evacuation() -> None:
    found = newest([version(EAST), version(NOTHING_DECLARED, 5)], REGIONS)
    assert found is not None
    assert found.region == "us-east-1"


@pytest.mark.parametrize(
    "value",
    [
        *(NOTHING_DECLARED, "", "us-east-1", "null", "[]", '"evacuated"', "[" * 4096, '{"evacuated": ["us-east-1"]}'),
        *('{"evacuated": {}}', '{"evacuated": 1}', '{"evacuated": "eu-west-1"}', '{"evacuated": "us-east-1\\n"}'),
    ],
)
@pytest.mark.parametrize("regions", [REGIONS, dict.fromkeys(REGIONS)])
def test_value_that_is_no_declaration_about_the_pair_is_passed_over(value: str, regions: Any) -> None:
    assert newest([version(value)], regions) is None
    found = newest([version(EAST), version(value, 5)], regions)
    assert found is not None
    assert found.when == NOON


def test_who_and_when_are_of_aws_and_not_of_the_value() -> None:
    forged = json.dumps({"evacuated": "us-east-1", "why": 7, "who": "the board", "when": "2020-01-01"})
    found = newest([version(forged)], REGIONS)
    assert found == Declaration("us-east-1", "7", ALICE, NOON)


@pytest.mark.parametrize("character", ["x", '"', "é", "\N{GRINNING FACE}", "\x1b"])
def test_longest_reason_fits_a_parameter(character: str) -> None:
    assert len(Declaration.value("us-gov-west-1", LONGEST_WHY * character)) <= 4096


def test_longer_reason_of_somebody_else_is_cut() -> None:
    shown = Declaration("us-east-1", "x" * 4000, ALICE, NOON).to_json()
    assert shown == {
        "region": "us-east-1",
        "who": ALICE,
        "when": "2026-11-26T12:00:00+00:00",
        "why": "x" * LONGEST_WHY,
    }
