"""The words of the watch, for the Lambda function and for the constructs: metrics, dimensions, statuses, verdicts."""

from __future__ import annotations

NAMESPACE = "Aurora/DSQL/DisasterRecovery"

CLUSTER_HEALTH = "ClusterHealth"
"""1 or 0: the cluster serves, its control plane answers and its endpoint can be reached."""

PEERING_HEALTH = "PeeringHealth"
"""1 or 0: the cluster names its peer and its witness as configured. Not put while GetCluster does not answer."""

ENDPOINT_REACHABLE = "EndpointReachable"
"""1 or 0: the endpoint asked the knock for authentication."""

PROBE_LATENCY = "ProbeLatency"
"""Milliseconds from opening the connection to the request for authentication. Not put if that never came."""

PROBE_ATTEMPTS = "ProbeAttempts"
"""Tries of GetCluster and of the knock together: 2 where nothing was tried again."""

DEPLOYMENT, CLUSTER_REGION, OBSERVER_REGION = DIMENSIONS = ("Deployment", "ClusterRegion", "ObserverRegion")
"""Dimensions of every metric. `CLUSTER_HEALTH` is put once more without any, the worse of both clusters."""

HEALTHY_STATUSES = frozenset({"ACTIVE", "IDLE", "INACTIVE", "UPDATING"})
"""What counts as healthy. IDLE and INACTIVE are what DSQL does without connections. Every other status is unhealthy,
also one that AWS adds later.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

NOT_FOUND = "NOT_FOUND"
"""Status of a cluster that GetCluster does not know."""

LOST_KEY = "KMS_KEY_INACCESSIBLE"
"""Encryption status of a cluster whose key is gone: unhealthy, whatever its status says.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html
"""

HEALTHY = "HEALTHY"
LOCAL_DOWN = "LOCAL_DOWN"
"""The cluster in the observer's Region is unhealthy, the other one is not."""
PEER_DOWN = "PEER_DOWN"
"""The cluster in another Region is unhealthy, the other one is not."""
BOTH_DOWN = "BOTH_DOWN"
UNPEERED = "UNPEERED"
"""Both serve, but one does not name the other."""
WITNESS_DRIFT = "WITNESS_DRIFT"
"""Both serve and are peered, but one has another witness than configured."""

VERDICTS = (HEALTHY, LOCAL_DOWN, PEER_DOWN, BOTH_DOWN, UNPEERED, WITNESS_DRIFT)
