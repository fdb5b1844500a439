"""An Aurora DSQL pair, and a service that takes orders in both of its Regions.

``-c domain=orders.example.com -c zone_id=Z...`` puts one name in front of both.
"""

import aws_cdk as cdk
from front_door import FrontDoor
from orders_stack import OrdersStack

from dsql_dr_constructs import BackupOptions, FailoverOptions, MultiRegionDsqlDr

app = cdk.App()
pair = MultiRegionDsqlDr(
    app, "OrdersDb", alert_emails=["ops@example.com"], backup=BackupOptions(), failover=FailoverOptions()
)
domain, zone_id = app.node.try_get_context("domain"), app.node.try_get_context("zone_id")
for cluster in (pair.primary, pair.secondary):
    region = cluster.cluster_region
    orders = OrdersStack(app, f"Orders-{region}", pair=pair, env=cdk.Environment(region=region))
    if domain:
        FrontDoor(
            orders,
            "FrontDoor",
            function=orders.function,
            domain=domain,
            zone_id=zone_id,
            health_check=pair.health_check(region),
        )
app.synth()
