"""Names that the Lambda function and the constructs share: metrics, dimensions, statuses, verdicts."""

from __future__ import annotations

NAMESPACE = "Aurora/DSQL/DisasterRecovery"

CLUSTER_HEALTH = "ClusterHealth"
"""1 or 0: the cluster has a healthy status, its control plane answers and its endpoint can be reached; with the SQL
probe, it serves SQL, too."""

PEERING_HEALTH = "PeeringHealth"
"""1 or 0: the cluster has the configured peer and witness Region. Not put while the cluster has no healthy status, or
its peer is being deleted: then a cluster is down, and its peering is no second fault."""

ENDPOINT_REACHABLE = "EndpointReachable"
"""1 or 0: the endpoint answered the connection probe with a request for authentication."""

PROBE_LATENCY = "ProbeLatency"
"""Milliseconds from opening the connection to the request for authentication. Not put if that never came."""

PROBE_ATTEMPTS = "ProbeAttempts"
"""Tries of GetCluster and of the connection probe together: 2 where nothing was tried again."""

SQL_SERVES = "SqlServes"
"""1 or 0: through the endpoint the SQL probe could log in, commit, and read what was committed through the other one.
Not put without the SQL probe, and if the SQL probe itself is at fault."""

COMMIT_LATENCY = "CommitLatency"
"""Milliseconds of the statement through the endpoint that writes and commits, as a client sees it. Not put if none was
committed."""

READ_BACK_LATENCY = "ReadBackLatency"
"""Milliseconds of the statement through the endpoint that reads what was committed, as a client sees it. Not put if
none was answered."""

PARAMETER_HEALTH = "ParameterHealth"
"""1 or 0: the SSM parameters in the observer's Region are what GetCluster returns. Not put if SSM does not answer."""

NOTIFICATION_HEALTH = "NotificationHealth"
"""1 or 0: the other observing Regions can notify people. Put by the runs that check it, if one of them answered."""

RECOVERY_POINT_AGE = "RecoveryPointAge"
"""Hours since the newest recovery point that the backup vaults of both Regions hold; where there is none, since the
youngest of clusters and vaults was created. Put by the runs that check it, if AWS Backup answered in both Regions."""

EVACUATED = "Evacuated"
"""1 or 0: somebody declared the Region of the cluster evacuated. Put where the pair has health checks for failover, if
SSM answered in one of the pair's Regions."""

OF_THE_OBSERVER = (PARAMETER_HEALTH, NOTIFICATION_HEALTH, RECOVERY_POINT_AGE)
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
CLUSTER_DOWN = "CLUSTER_DOWN"
"""One cluster is unhealthy, the other one is healthy; ``regions_down`` of the answer says which."""
BOTH_DOWN = "BOTH_DOWN"
"""Both clusters are unhealthy."""
PEERING_LOST = "PEERING_LOST"
"""Both are healthy, but one does not have the other as its peer."""
WITNESS_MISMATCH = "WITNESS_MISMATCH"
"""Both are healthy and peered, but one has another witness Region than configured."""
PARAMETERS_CHANGED = "PARAMETERS_CHANGED"
"""Both are healthy, with the configured peer and witness, but an SSM parameter in the observer's Region differs from
what GetCluster returns."""
NOTIFICATIONS_BROKEN = "NOTIFICATIONS_BROKEN"
"""The clusters and the parameters are as configured, but another observing Region cannot notify anybody."""

VERDICTS = (
    HEALTHY,
    CLUSTER_DOWN,
    BOTH_DOWN,
    PEERING_LOST,
    WITNESS_MISMATCH,
    PARAMETERS_CHANGED,
    NOTIFICATIONS_BROKEN,
)
