import aws_cdk as cdk

from dsql_dr_constructs import DrillOptions, MultiRegionDsqlDr

app = cdk.App()
MultiRegionDsqlDr(
    app,
    "AuroraDsqlDR",
    alert_emails=["ops@example.com"],
    drill=DrillOptions(),  # costs nothing until somebody runs a drill
    removal_policy=cdk.RemovalPolicy.DESTROY,  # production: leave it out, and the clusters are kept
)
app.synth()
