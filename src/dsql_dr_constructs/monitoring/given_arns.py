"""ARNs of topics that a user gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import aws_sns as sns

from ..regional_stack import refuse_elsewhere
from ..regions import partition_of

_UNRESOLVED = r"\$\{Token\[[^\]:]+\]\}"


def refuse_topics_elsewhere(
    parameter: str, topics: Mapping[str, sns.ITopic | str] | None, account: str | None, regions: Sequence[str]
) -> None:
    """
    Raises:
        ValueError: *topics* has not exactly *regions*, or one is no topic of its Region, or in a stack of another
            account.
    """
    made = {region: None if isinstance(one, str) else one for region, one in (topics or {}).items()}
    refuse_elsewhere(parameter, "topic", made if topics is not None else None, account, regions)
    for region, topic in (topics or {}).items():
        if isinstance(topic, str) and not _is_topic_of(region, topic):
            given = re.sub(_UNRESOLVED, "<token>", topic)
            raise ValueError(
                f"{parameter} has {given!r} for {region}: an alarm notifies topics of its own Region only; give "
                f"arn:{partition_of(region)}:sns:{region}:<account>:<name>, whose account may be a token "
                "and whose name has up to 256 letters, digits, '-' and '_', or the topic itself."
            )


def _is_topic_of(region: str, arn: str) -> bool:
    """Tokens of partition and account are taken: each stack of the pair has its own.

    Source: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    """
    start, _, name = arn.rpartition(":")
    return bool(
        re.fullmatch(rf"arn:({partition_of(region)}|{_UNRESOLVED}):sns:{region}:([0-9]{{12}}|{_UNRESOLVED})", start)
        and re.fullmatch(r"[A-Za-z0-9_-]+(\.fifo)?", name)
        and len(name) <= 256
    )
