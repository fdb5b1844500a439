import aws_cdk as cdk

from dsql_dr_constructs import MultiRegionDsqlDr

app = cdk.App()
MultiRegionDsqlDr(app, "AuroraDsqlDR", removal_policy=cdk.RemovalPolicy.DESTROY)  # production: leave the policy out
app.synth()
