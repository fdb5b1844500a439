"""The Regions in which Aurora DSQL runs, and which of them can form a pair with a witness."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from aws_cdk import Token

from .arguments import check_fields, checked


@dataclass(frozen=True)
class RegionSet:
    """Regions that AWS lets peer with each other; a pair and its witness are three of one set.

    Give your own to `MultiRegionDsqlDr(region_set=...)` when AWS has added a Region since this release.

    Args:
        name: What the set is called in messages, for example ``"US"``.
        regions: Region codes, for example ``("us-east-1", "us-east-2", "us-west-2")``. At least three.

    Raises:
        ValueError: fewer than three different Regions.
    """

    name: str
    regions: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        if len(set(self.regions)) < 3:
            raise ValueError(
                f"Region set {self.name!r} has {sorted(set(self.regions))}: a pair and its witness need three "
                f"different Regions; give RegionSet({self.name!r}, (...)) at least three Region codes."
            )

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.regions)})"


REGION_SETS: tuple[RegionSet, ...] = (
    RegionSet("US", ("us-east-1", "us-east-2", "us-west-2")),
    RegionSet("Asia Pacific", ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3")),
    RegionSet("Europe", ("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3")),
)
"""The documented sets of Regions for multi-Region clusters.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html (read 2026-11)
"""


@checked
def validate_topology(primary: str, secondary: str, witness: str, region_set: RegionSet | None = None) -> RegionSet:
    """Return the Region set that *primary*, *secondary* and *witness* belong to.

    Args:
        primary: Region of the first cluster.
        secondary: Region of the second cluster.
        witness: Region that holds the encrypted transaction log only, and no endpoint.
        region_set: Set to check against. Default: the three documented sets, ``REGION_SETS``.

    Raises:
        ValueError: a Region is a token, is unknown, is used twice, or the three are not of one set.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html
    """
    roles = {"primary_region": primary, "secondary_region": secondary, "witness_region": witness}
    known = (region_set,) if region_set else REGION_SETS
    for role, region in roles.items():
        _require_concrete(role, region)
        if not any(region in candidate.regions for candidate in known):
            raise ValueError(f"{role} is {region!r}: {_why_unknown(region, known, set(roles.values()))}")
    _require_different(roles, known)
    for candidate in known:
        if all(region in candidate.regions for region in roles.values()):
            return candidate
    given = ", ".join(f"{role} {region!r}" for role, region in roles.items())
    home = next(candidate for candidate in known if primary in candidate.regions)
    raise ValueError(
        f"{given} are not of one multi-Region set, and DSQL peers inside one set only: {_sets(known)}. "
        f"Next to {primary!r}, choose from {_free(home, {primary})}, or give region_set=RegionSet(...) "
        "if AWS has changed its sets since this release."
    )


def _require_concrete(role: str, region: str) -> None:
    if Token.is_unresolved(region) or not region:
        raise ValueError(
            f"{role} is {'a token' if region else 'empty'}, which only a deployment could resolve: the stacks need "
            f'their Regions at synth, so give a Region code such as "{REGION_SETS[0].regions[0]}".'
        )


def _require_different(roles: dict[str, str], known: tuple[RegionSet, ...]) -> None:
    primary, secondary, witness = roles.values()
    if primary == secondary:
        problem = f"primary_region and secondary_region are both {primary!r}: a pair needs two different Regions"
    elif witness in (primary, secondary):
        role = "primary_region" if witness == primary else "secondary_region"
        problem = f"witness_region and {role} are both {witness!r}: the witness must outlive the loss of either cluster"
    else:
        return
    home = next(candidate for candidate in known if primary in candidate.regions)
    raise ValueError(f"{problem}. Choose from {_free(home, set(roles.values()))}.")


def _why_unknown(region: str, known: tuple[RegionSet, ...], taken: set[str]) -> str:
    homes = [candidate for candidate in known if taken.intersection(candidate.regions)] or known
    free = [code for candidate in homes for code in candidate.regions if code not in taken]
    near = difflib.get_close_matches(region, free, n=1, cutoff=0.5)
    nearest = f" The nearest free Region by name is {near[0]!r}." if near else ""
    return (
        f"Aurora DSQL offers no multi-Region clusters there. Allowed are three Regions of one set: {_sets(known)}."
        f"{nearest} If AWS has added the Region since this release, give region_set=RegionSet(...)."
    )


def _sets(known: tuple[RegionSet, ...]) -> str:
    return "; ".join(map(str, known))


def _free(home: RegionSet, taken: set[str]) -> str:
    return ", ".join(repr(code) for code in home.regions if code not in taken) or "another set"
