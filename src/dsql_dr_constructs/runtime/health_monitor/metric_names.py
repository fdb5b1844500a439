"""The words of the watch, for the Lambda function and for the constructs: metrics, dimensions, statuses, verdicts."""

from __future__ import annotations

NAMESPACE = "Aurora/DSQL/DisasterRecovery"

CLUSTER_HEALTH = "ClusterHealth"
"""1 or 0: the cluster serves, its control plane answers and its endpoint can be reached."""

PEERING_HEALTH = "PeeringHealth"
"""1 or 0: the cluster names its peer and its witness as configured. Not put while the cluster has no status
that serves, or its peer is on its way out: then a cluster is down, and its peering is no fault of its own."""

ENDPOINT_REACHABLE = "EndpointReachable"
"""1 or 0: the endpoint asked the knock for authentication."""

PROBE_LATENCY = "ProbeLatency"
"""Milliseconds from opening the connection to the request for authentication. Not put if that never came."""

PROBE_ATTEMPTS = "ProbeAttempts"
"""Tries of GetCluster and of the knock together: 2 where nothing was tried again."""

PARAMETER_HEALTH = "ParameterHealth"
"""1 or 0: the SSM parameters in the observer's Region say what the clusters say. Not put while SSM does not answer."""

NOTIFICATION_HEALTH = "NotificationHealth"
"""1 or 0: the other observing Regions can notify people. Put by the runs that check it, if one of them answered."""

OF_THE_OBSERVER = (PARAMETER_HEALTH, NOTIFICATION_HEALTH)
"""Metrics of no cluster: they have no ClusterRegion."""

DEPLOYMENT, CLUSTER_REGION, OBSERVER_REGION = DIMENSIONS = ("Deployment", "ClusterRegion", "ObserverRegion")
"""Dimensions of every metric but `OF_THE_OBSERVER`. `CLUSTER_HEALTH` is put once more without any, the worse of both
clusters, for the recipe's `aws cloudwatch get-metric-statistics`. It means something only where one pair is in the
account and Region: the values of two pairs mix in it. Use the Deployment dimension then."""

HEALTHY_STATUSES = frozenset({"ACTIVE", "IDLE", "INACTIVE", "UPDATING"})
"""What counts as healthy. IDLE and INACTIVE are what DSQL does without connections. Every other status is unhealthy,
also one that AWS adds later.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

NOT_FOUND = "NOT_FOUND"
"""Status of a cluster that GetCluster does not know."""

GONE_STATUSES = frozenset({NOT_FOUND, "PENDING_DELETE", "DELETING", "DELETED"})
"""A cluster that is deleted or about to be: that its peer no longer names it is no second fault."""

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
PARAMETERS_CHANGED = "PARAMETERS_CHANGED"
"""Both serve as configured, but an SSM parameter in the observer's Region does not say what they say."""
NOTIFICATIONS_BROKEN = "NOTIFICATIONS_BROKEN"
"""All else is as it should be, but another observing Region could not notify anybody."""

VERDICTS = (
    HEALTHY,
    LOCAL_DOWN,
    PEER_DOWN,
    BOTH_DOWN,
    UNPEERED,
    WITNESS_DRIFT,
    PARAMETERS_CHANGED,
    NOTIFICATIONS_BROKEN,
)
