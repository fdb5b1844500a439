"""The parameter registry, SSM parameters by which a deployment's clusters are found: names and paths that the
constructs and the Lambda functions share."""

DEPLOYMENT_TAG = "dsql-dr:deployment"
"""Tag on both clusters of a pair; its value is the deployment name, which consumers' policies compare with."""

PAIR_TAG = "dsql-dr:pair"
"""Tag on both clusters of a pair; its value comes from both stacks; IAM conditions of the peering compare with it."""

FIELDS = {
    "arn": "arn",
    "identifier": "identifier",
    "endpoint": "endpoint",
    "vpc-endpoint-service-name": "vpc_endpoint_service_name",
}
"""The parameters of a cluster: last part of the parameter's name, and attribute of `pair.Cluster`."""

COMPARED = ("arn", "identifier", "endpoint")
"""Those of them that monitors compare: GetCluster does not return the VPC endpoint service."""

IDENTIFIER = "[a-z0-9]{26}"
"""Form of a cluster's identifier (ClusterId in the API's model).

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetCluster.html
"""


def parameter_path(deployment: str, region: str | None = None, field: str | None = None) -> str:
    """Name of the SSM parameter for *field* of the cluster in *region*; the folder above it where they are left out."""
    return "/".join(part for part in ("/dsql-dr", deployment, region, field) if part)


def parameter_paths(deployment: str, *regions: str) -> list[str]:
    """Names of all SSM parameters for the clusters in *regions*."""
    return [parameter_path(deployment, region, field) for region in regions for field in FIELDS]


def evacuation_path(deployment: str) -> str:
    """Name of the SSM parameter, one in the Region of each cluster, that says which Region is evacuated."""
    return parameter_path(deployment, "evacuation")


def health_check_path(deployment: str, region: str) -> str:
    """Name of the SSM parameter in *region* that has the ID of the Route 53 health check for it."""
    return parameter_path(deployment, region, "health-check-id")
