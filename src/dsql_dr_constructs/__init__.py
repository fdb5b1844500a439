"""Aurora DSQL across Regions, from the AWS CDK in Python."""

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
