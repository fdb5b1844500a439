"""ARNs of clusters and topics that a user gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import aws_sns as sns

from ..regional_stack import refuse_elsewhere
from ..regions import partition_of
from ..runtime.parameter_registry import IDENTIFIER

_DSQL_ARN = rf"arn:([a-z-]+):dsql:([a-z0-9-]+):([0-9]{{12}}):cluster/({IDENTIFIER})"
_UNRESOLVED = r"\$\{Token\[[^\]:]+\]\}"


def clusters_by_region(
    cluster_arns: Sequence[str] | None, account: str | None, primary_region: str | None, secondary_region: str | None
) -> tuple[dict[str, str], str | None]:
    """Identifier by Region, and the account; without *cluster_arns* no identifiers, and *account*.

    Raises:
        ValueError: *cluster_arns* are not of two clusters in two Regions, or not in the *account* or Regions that are
            given.
    """
    if cluster_arns is None:
        return {}, account
    matches = [re.fullmatch(_DSQL_ARN, arn) for arn in cluster_arns]
    found = {match[2]: match[4] for match in matches if match and match[1] == partition_of(match[2])}
    accounts = {match[3] for match in matches if match}
    if len(cluster_arns) != 2 or len(found) != 2 or len(accounts) != 1:
        raise ValueError(
            f"cluster_arns is {list(cluster_arns)}: two clusters of one account in two Regions are needed, each as "
            "arn:aws:dsql:<region>:<account>:cluster/<identifier> (aws dsql get-cluster shows it)."
        )
    [owner] = accounts
    if account and account != owner:
        raise ValueError(f"account is {account}, and cluster_arns are of {owner}: leave account out.")
    roles = {"primary_region": primary_region, "secondary_region": secondary_region}
    for (role, given), region in zip(roles.items(), found, strict=True):
        if given and given != region:
            raise ValueError(f"{role} is {given!r}, and its ARN in cluster_arns is of {region!r}: leave {role} out.")
    return found, owner


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
