"""Where two clusters and their witness can be: on one continent, in Regions where AWS offers multi-Region clusters."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from .asked_once import unresolved

AS_OF = "2026-11"
"""When `MULTI_REGION` was compared with its sources."""

MULTI_REGION: Mapping[str, Sequence[str]] = {
    # The Backup guide and the Config rule name the two Canadian Regions, the release notes of Aurora DSQL do not.
    "the Americas": ("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "ca-west-1"),
    "Europe": ("eu-central-1", "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    "Asia Pacific": ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1"),
}
"""Regions in which AWS offers multi-Region clusters; a pair and its witness are three of one continent.

AWS adds Regions between two releases, so this list refuses nothing: a Region that it lacks is a warning.

Sources:
    https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-aurora.html (its "continent groups")
    https://docs.aws.amazon.com/config/latest/developerguide/dsql-cluster-multi-region-replication-enabled.html
"""

WITHOUT_FIS = ("ca-west-1",)
"""Those of them in which CloudFormation had no experiment templates of AWS FIS, at the same time.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html (the schemas of each
Region, as cfn-lint has them)
"""

_CONTINENTS = {
    **dict.fromkeys(("us", "ca", "mx", "sa"), "the Americas"),
    "eu": "Europe",
    "ap": "Asia Pacific",
    "me": "the Middle East",
    "il": "Israel",
    "af": "Africa",
    "cn": "China",
    "us-gov": "AWS GovCloud (US)",
    "eusc-de": "the AWS European Sovereign Cloud",
    **{prefix: f"the isolated partition {prefix}" for prefix in ("us-iso", "us-isob", "us-isof", "eu-isoe")},
}
"""By the first part of a Region code. A partition other than ``aws`` counts as a continent: none peers with another.

Source: https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json (read 2026-11)
"""

_PARTITIONS = {
    "cn": "aws-cn",
    "us-gov": "aws-us-gov",
    "eusc-de": "aws-eusc",
    "us-iso": "aws-iso",
    "us-isob": "aws-iso-b",
    "us-isof": "aws-iso-f",
    "eu-isoe": "aws-iso-e",
}
"""The same, of those that are not in ``aws``."""

_REGION_CODE = re.compile(
    rf"({'|'.join(_CONTINENTS)})-(central|(north|south)(east|west)?|east|west)-[1-9][0-9]?", re.ASCII
)
_WITHOUT_DSQL = "us-west-1"
_AWS_LIST = "https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html"


def validate_topology(primary_region: str, secondary_region: str, witness_region: str) -> Sequence[str]:
    """Refuse three Regions that can never form a pair with its witness, and return a warning for each unknown one.

    `MultiRegionDsqlDr` calls it; call it yourself where you compose a pair of `RegionalCluster` and `ClusterPeering`.

    Args:
        primary_region: As in `MultiRegionDsqlDr`.
        secondary_region: As in `MultiRegionDsqlDr`.
        witness_region: As in `MultiRegionDsqlDr`.

    Returns:
        A warning for each Region in which AWS offered no multi-Region clusters when this release was made.

    Raises:
        ValueError: a Region is a token, no AWS Region, used twice, on another continent than *primary_region*, or
            us-west-1, which has no Aurora DSQL.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html
    """
    roles = {
        "primary_region": primary_region,
        "secondary_region": secondary_region,
        "witness_region": witness_region,
    }
    for role in roles:
        _require_region(role, roles)
    _require_different(roles)
    _require_one_continent(roles)
    choices = _choices(roles, _continent(primary_region))
    return [
        f"{role} is {region!r}, where AWS offered no multi-Region clusters of Aurora DSQL in {AS_OF}, when the list of "
        f"this release was made: see at {_AWS_LIST} that it does now{f', or choose from {choices}' if choices else ''}."
        for role, region in roles.items()
        if not any(region in regions for regions in MULTI_REGION.values())
    ]


def validate_observed(primary: str, secondary: str, witness: str | None) -> None:
    """Refuse Regions of an existing pair that can never form one; unknown Regions need no warning.

    Raises:
        ValueError: as `validate_topology`; *witness* may be left out.
    """
    roles = {"primary_region": primary, "secondary_region": secondary}
    roles |= {"witness_region": witness} if witness else {}
    for role in roles:
        _require_region(role, roles)
    _require_different(roles)
    _require_one_continent(roles)


def require_region_code(parameter: str, region: str) -> str:
    """Return *region* if it is a token or can be an AWS Region.

    Raises:
        ValueError: it cannot.
    """
    if not unresolved(region):
        _require_region(parameter, {parameter: region})
    return region


def validate_witness(region: str, witness: str) -> None:
    """
    Raises:
        ValueError: *witness* can never be that of a cluster in *region*, which may be a token.
    """
    roles = {"witness_region": witness}
    if not unresolved(region):
        roles = {"primary_region": region, **roles}
        if region == witness:
            raise ValueError(
                f"witness_region is {witness!r}, the cluster's own Region: the witness must outlive its loss, so "
                f"choose witness_region from {_choices(roles)}."
            )
    for role in roles:
        _require_region(role, roles)
    if len(roles) > 1:
        _require_one_continent(roles)


def _require_region(role: str, roles: Mapping[str, str]) -> None:
    region = roles[role]
    others = {other: code for other, code in roles.items() if other != role}
    if region == _WITHOUT_DSQL:
        raise ValueError(
            f"{role} is {region!r}, where AWS offers no Aurora DSQL, for a cluster as for a witness: choose from "
            f"{_choices(others)}."
        )
    if _continent(region):
        return
    if isinstance(region, str) and unresolved(region):
        raise ValueError(
            f"{role} is a token, which is resolved at deployment: the stacks need their Regions at synth, so "
            'give a Region code such as "us-east-1".'
        )
    near = difflib.get_close_matches(str(region), _free(others), n=1, cutoff=0.4)
    raise ValueError(
        f"{role} is {region!r}, which is no AWS Region{f' (the nearest is {near[0]!r})' if near else ''}: choose from "
        f"{_choices(others)}."
    )


def _require_different(roles: Mapping[str, str]) -> None:
    primary, secondary, witness = roles["primary_region"], roles["secondary_region"], roles.get("witness_region")
    if primary == secondary:
        raise ValueError(
            f"primary_region and secondary_region are both {primary!r}: a pair needs two different Regions, so choose "
            f"one of them from {_choices(roles)}."
        )
    if witness in (primary, secondary):
        role = "primary_region" if witness == primary else "secondary_region"
        raise ValueError(
            f"witness_region and {role} are both {witness!r}: the witness must outlive the loss of either cluster, so "
            f"choose witness_region from {_choices(roles)}."
        )


def _require_one_continent(roles: Mapping[str, str]) -> None:
    home = _continent(roles["primary_region"])
    abroad = [role for role, region in roles.items() if _continent(region) != home]
    if abroad:
        where = ", ".join(f"{role} {region!r} is in {_continent(region)}" for role, region in roles.items())
        choices = _choices(roles, home) or f"its Regions, of which AWS offered none in {AS_OF}"
        raise ValueError(
            f"{where}: Aurora DSQL peers on one continent only. With primary_region in {home}, choose "
            f"{' and '.join(abroad)} from {choices}."
        )


def partition_of(region: str) -> str:
    """The second part of every ARN in *region*, a Region code."""
    code = _REGION_CODE.fullmatch(region)
    return _PARTITIONS.get(code[1], "aws") if code else "aws"


def _continent(region: str) -> str | None:
    """None if *region* has not the form of a Region code."""
    code = _REGION_CODE.fullmatch(str(region))
    return _CONTINENTS[code[1]] if code else None


def _free(roles: Mapping[str, str], home: str | None = None) -> list[str]:
    """Known Regions that *roles* leaves: on the continent *home*, or on those of *roles* where no *home* is given."""
    homes = [home] if home else [_continent(region) for region in roles.values()]
    near = [regions for continent, regions in MULTI_REGION.items() if continent in homes]
    everywhere = near if near or home else MULTI_REGION.values()
    return [region for regions in everywhere for region in regions if region not in roles.values()]


def _choices(roles: Mapping[str, str], home: str | None = None) -> str:
    return ", ".join(map(repr, _free(roles, home)))
