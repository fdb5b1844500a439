"""The Lambda side of `ClusterPeering`."""
