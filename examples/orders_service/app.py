"""An Aurora DSQL pair, and a service that takes orders in both of its Regions."""

import aws_cdk as cdk
from orders_stack import OrdersStack

from dsql_dr_constructs import BackupOptions, MultiRegionDsqlDr

app = cdk.App()
pair = MultiRegionDsqlDr(app, "OrdersDb", alert_emails=["ops@example.com"], backup=BackupOptions())
for cluster in (pair.primary, pair.secondary):
    region = cluster.cluster_region
    OrdersStack(app, f"Orders-{region}", pair=pair, env=cdk.Environment(region=region))
app.synth()
