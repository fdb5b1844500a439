"""The SSM parameter of one Region that says which Region of its pair is evacuated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from ..asked_once import unresolved
from ..clusters.cluster_interface import IRegionalCluster
from ..runtime.evacuation import NOTHING_DECLARED
from ..runtime.parameter_registry import evacuation_path


def evacuation_parameter(scope: Construct, deployment: str) -> ssm.CfnParameter:
    """A later deployment may write its value again: what was declared before is read from its history."""
    return ssm.CfnParameter(
        scope,
        "Evacuation",
        name=evacuation_path(deployment),
        type="String",
        value=NOTHING_DECLARED,
        description=f"Aurora DSQL pair {deployment}: the evacuated Region, written by dsql-dr evacuate",
    )


def evacuation_environment(clusters: Sequence[IRegionalCluster], region: str) -> Mapping[str, str]:
    """Where the monitor in *region* reads it: there, and beside the other one of *clusters*.

    Raises:
        ValueError: none of *clusters* is in *region*, or it is not known at synth.
    """
    regions = sorted((one.cluster_region for one in clusters), key=lambda one: one != region)
    if region not in regions or any(map(unresolved, regions)):
        raise ValueError(
            f"evacuation is True for a monitor in {'no Region' if unresolved(region) else region}: what declares one "
            "of the pair's Regions evacuated is beside its clusters; give it to the monitors of these two Regions, in "
            "stacks with env."
        )
    return {"EVACUATION_REGIONS": json.dumps(regions)}
