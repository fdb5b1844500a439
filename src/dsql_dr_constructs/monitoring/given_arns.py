"""ARNs of clusters and topics as somebody types them, understood."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..runtime.registry import IDENTIFIER

_DSQL_ARN = rf"arn:[a-z-]+:dsql:([a-z0-9-]+):([0-9]{{12}}):cluster/({IDENTIFIER})"
_SNS_ARN = r"arn:[a-z-]+:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_.-]+"


def clusters_by_region(cluster_arns: Sequence[str]) -> tuple[dict[str, str], str]:
    """Identifier by Region, and the account."""
    matches = [re.fullmatch(_DSQL_ARN, arn) for arn in cluster_arns]
    found = {match[1]: match[3] for match in matches if match}
    accounts = {match[2] for match in matches if match}
    if len(cluster_arns) != 2 or len(found) != 2 or len(accounts) != 1:
        raise ValueError(
            f"cluster_arns is {list(cluster_arns)}: two clusters of one account in two Regions are needed, each as "
            "arn:aws:dsql:<region>:<account>:cluster/<identifier> (aws dsql get-cluster shows it)."
        )
    return found, accounts.pop()


def topics_by_region(parameter: str, topic_arns: Sequence[str], regions: Sequence[str]) -> dict[str, str]:
    """Empty for no topics at all, which is not an error."""
    found = {match[1]: arn for arn in topic_arns if (match := re.fullmatch(_SNS_ARN, arn))}
    if topic_arns and (sorted(found) != sorted(regions) or len(topic_arns) != len(regions)):
        raise ValueError(
            f"{parameter} is {list(topic_arns)}: one topic is needed in each of {', '.join(regions)}, since an alarm "
            "notifies topics of its own Region only; give arn:aws:sns:<region>:<account>:<name> for each."
        )
    return found
