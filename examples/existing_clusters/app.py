"""Monitors a pair that was made elsewhere, by the ARNs in cdk.json, and never changes it."""

import aws_cdk as cdk

from dsql_dr_constructs import MultiRegionMonitoring

app = cdk.App()
MultiRegionMonitoring(
    app,
    "Orders",
    deployment_name="orders",
    cluster_arns=app.node.get_context("clusterArns"),
    witness_region="us-east-2",
    alert_emails=["ops@example.com"],
)
app.synth()
