"""Where a deployment's clusters are looked up: names shared by the constructs and the Lambda functions."""

DEPLOYMENT_TAG = "dsql-dr:deployment"
"""Tag on both clusters of a pair; its value is the deployment name, which consumers' policies compare with."""

PAIR_TAG = "dsql-dr:pair"
"""Tag on both clusters of a pair; its value is of both stacks, and the peering's IAM conditions compare with it."""

FIELDS = {
    "arn": "arn",
    "identifier": "identifier",
    "endpoint": "endpoint",
    "vpc-endpoint-service-name": "vpc_endpoint_service_name",
}
"""What the registry says about a cluster: last part of the parameter's name, and attribute of `pair.Cluster`."""

COMPARED = ("arn", "identifier", "endpoint")
"""Those of them that monitors compare: GetCluster does not tell the VPC endpoint service."""

IDENTIFIER = "[a-z0-9]{26}"
"""Form of a cluster's identifier (ClusterId in the API's model).

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetCluster.html
"""


def registry_path(deployment: str, region: str | None = None, field: str | None = None) -> str:
    """Name of the SSM parameter for *field* of the cluster in *region*; the folder above it where they are left out."""
    return "/".join(part for part in ("/dsql-dr", deployment, region, field) if part)


def registry_paths(deployment: str, *regions: str) -> list[str]:
    """Names of all entries for the clusters in *regions*."""
    return [registry_path(deployment, region, field) for region in regions for field in FIELDS]
