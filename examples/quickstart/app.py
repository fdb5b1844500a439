import aws_cdk as cdk

from dsql_dr_constructs import MultiRegionDsqlDr

app = cdk.App()
MultiRegionDsqlDr(
    app,
    "AuroraDsqlDR",
    alert_emails=["ops@example.com"],
    removal_policy=cdk.RemovalPolicy.DESTROY,  # production: leave it out, and the clusters are kept
)
app.synth()
