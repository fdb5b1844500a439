"""Aurora DSQL across Regions, from the AWS CDK in Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cluster_peering import ClusterPeering
    from .multi_region_dsql_dr import MultiRegionDsqlDr
    from .regional_cluster import IRegionalCluster, RegionalCluster
    from .regions import REGION_SETS, RegionSet, validate_topology

__all__ = [
    "REGION_SETS",
    "ClusterPeering",
    "IRegionalCluster",
    "MultiRegionDsqlDr",
    "RegionSet",
    "RegionalCluster",
    "validate_topology",
]

_MODULES = ("cluster_peering", "multi_region_dsql_dr", "regional_cluster", "regions")


def __getattr__(name: str) -> Any:
    """Import on first use: importing aws_cdk starts Node, which `dsql_dr_constructs.rehearsal` has no need of."""
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f".{module}", __name__), name, None)
            if found is not None:
                return globals().setdefault(name, found)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
