"""Choosing the recovery points that bring a pair back: a property of any two vaults."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.answer_time import time_of_answer
from dsql_dr_constructs.runtime.recovery_points import (
    HeldByBoth,
    RecoveryPoint,
    held_by_both,
    missing_copies,
    newest,
    with_arn,
)

REGIONS = ("us-east-1", "us-east-2")
START = datetime(2026, 11, 1, 5, 10, tzinfo=timezone.utc)
CLUSTERS = [f"arn:aws:dsql:{region}:123456789012:cluster/{'a' * 26}" for region in REGIONS]
USABLE = ["COMPLETED", "AVAILABLE"]
UNUSABLE = ["PARTIAL", "DELETING", "EXPIRED", "STOPPED", "CREATING"]


def entry(*, arn: str = "arn", cluster: str = CLUSTERS[0], created: datetime = START, **other: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": arn,
        "ResourceArn": cluster,
        "BackupVaultName": "dsql-orders",
        "CreationDate": created,
        "Status": "COMPLETED",
        **other,
    }


def point(*, region: str = REGIONS[0], **fields: Any) -> RecoveryPoint:
    return RecoveryPoint.from_entry(entry(**fields), region=region)


def vaults() -> st.SearchStrategy[list[RecoveryPoint]]:
    """Vaults of few clusters and few moments, so that identical copies, near misses and doubles are common."""
    points = st.builds(
        point,
        arn=st.integers(0, 30).map(lambda number: f"arn:{number}"),
        cluster=st.sampled_from(CLUSTERS),
        created=st.integers(0, 5_999).map(lambda after: START + timedelta(milliseconds=after)),
        Status=st.sampled_from([*USABLE, *UNUSABLE]),
        region=st.sampled_from(REGIONS),
    )
    return st.lists(points, max_size=12, unique_by=lambda each: each.arn)


@given(vaults(), vaults())
def test_a_pair_is_of_one_backup_and_both_are_usable(first: list[RecoveryPoint], second: list[RecoveryPoint]) -> None:
    for pair in held_by_both(first, second):
        assert pair.first in first
        assert pair.second in second
        assert pair.first.resource_arn == pair.second.resource_arn == pair.resource_arn
        assert pair.first.created == pair.second.created == pair.created
        assert pair.first.usable
        assert pair.second.usable


@given(vaults(), vaults())
def test_every_usable_backup_is_either_held_by_both_or_missing_somewhere(
    first: list[RecoveryPoint], second: list[RecoveryPoint]
) -> None:
    held = {pair.first.identity for pair in held_by_both(first, second)}
    missing = {each.point.identity: each for each in missing_copies(first, second, regions=REGIONS)}
    assert held.isdisjoint(missing)
    assert held | set(missing) == {each.identity for each in [*first, *second] if each.usable}
    for each in missing.values():
        lacking, holding = (second, first) if each.missing_in == REGIONS[1] else (first, second)
        assert each.point in holding
        twins = [other for other in lacking if other.identity == each.point.identity]
        assert not any(twin.usable for twin in twins)
        assert (each.unusable_copy in twins) if twins else (each.unusable_copy is None)


@given(vaults(), vaults(), st.integers(-1, 6))
def test_none_between_the_chosen_one_and_the_time_is_passed_over(
    first: list[RecoveryPoint], second: list[RecoveryPoint], seconds: int
) -> None:
    pairs = held_by_both(first, second)
    at = START + timedelta(seconds=seconds)
    chosen = newest(pairs, at=at)
    before = [pair.created for pair in pairs if pair.created <= at]
    assert (chosen.created if chosen else None) == max(before, default=None)


@given(vaults(), vaults())
def test_pairs_are_listed_once_each_and_the_newest_first(
    first: list[RecoveryPoint], second: list[RecoveryPoint]
) -> None:
    pairs = held_by_both(first, second)
    assert len({pair.first.identity for pair in pairs}) == len(pairs)
    assert [pair.created for pair in pairs] == sorted((pair.created for pair in pairs), reverse=True)
    assert newest(pairs) == (pairs[0] if pairs else None)


@given(st.randoms(), vaults(), vaults())
def test_the_order_of_aws_answers_changes_nothing(
    random: Any, first: list[RecoveryPoint], second: list[RecoveryPoint]
) -> None:
    expected = held_by_both(first, second), missing_copies(first, second, regions=REGIONS)
    random.shuffle(first)
    random.shuffle(second)
    assert (held_by_both(first, second), missing_copies(first, second, regions=REGIONS)) == expected


@given(vaults(), vaults())
def test_a_recovery_point_asked_for_by_arn_is_in_its_pair(
    first: list[RecoveryPoint], second: list[RecoveryPoint]
) -> None:
    held = {pair.first.identity for pair in held_by_both(first, second)}
    for each in first + second:
        pair = with_arn(first, second, each.arn)
        if each.usable and each.identity in held:
            assert pair is not None
        if pair is not None:
            assert each.arn in (pair.first.arn, pair.second.arn)


def test_fractions_of_a_second_do_not_part_a_backup_from_its_copy() -> None:
    original = point(created=START + timedelta(milliseconds=123))
    copy = point(created=START + timedelta(milliseconds=987), region=REGIONS[1])
    assert held_by_both([original], [copy]) == [HeldByBoth(first=original, second=copy)]


def test_time_zones_do_not_part_a_backup_from_its_copy() -> None:
    copy = point(created=START.astimezone(timezone(timedelta(hours=-7))), region=REGIONS[1])
    assert held_by_both([point()], [copy])


@pytest.mark.parametrize("status", UNUSABLE)
def test_a_copy_that_cannot_be_restored_is_a_missing_one_and_says_why(status: str) -> None:
    copy = point(Status=status, StatusMessage="the reason", region=REGIONS[1])
    [missing] = missing_copies([point()], [copy], regions=REGIONS)
    assert missing.missing_in == REGIONS[1]
    assert missing.unusable_copy == copy
    assert copy.status_message == "the reason"


def test_backups_made_in_each_region_for_itself_are_no_pair() -> None:
    own = [point(cluster=cluster, region=region) for cluster, region in zip(CLUSTERS, REGIONS, strict=True)]
    assert not held_by_both(own[:1], own[1:])
    missing = missing_copies(own[:1], own[1:], regions=REGIONS)
    assert [each.missing_in for each in missing] == [REGIONS[1], REGIONS[0]]


def test_what_people_ask_about_a_recovery_point_is_in_it() -> None:
    expires = START + timedelta(days=35)
    read = point(
        BackupSizeInBytes=4096,
        CalculatedLifecycle={"DeleteAt": expires},
        EncryptionKeyArn="arn:aws:kms:us-east-1:123456789012:key/k",
    )
    assert (read.size, read.expires, read.vault, read.region) == (4096, expires, "dsql-orders", REGIONS[0])
    assert read.encryption_key_arn == "arn:aws:kms:us-east-1:123456789012:key/k"
    assert point().expires is None
    assert point().size is None


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        newest([], at=datetime(2026, 11, 1))


def test_now_is_what_aws_says() -> None:
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 01 Nov 2026 05:10:00 GMT"}}}
    assert time_of_answer(answer) == START
