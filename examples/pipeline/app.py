"""A pipeline that brings the pair to staging, waits for somebody's word, and brings it to production."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import pipelines
from constructs import Construct

from dsql_dr_constructs import MonitoringOptions, MultiRegionDsqlDr

REPOSITORY = "example-org/orders"
CONNECTION_ARN = "arn:aws:codestar-connections:us-east-1:111122223333:connection/11111111-2222-3333-4444-555555555555"
STAGING, PRODUCTION = "222233334444", "333344445555"


class Database(cdk.Stage):
    """One environment: the Stage's name leads the names of its stacks and of its deployment."""

    def __init__(self, scope: Construct, id: str, *, account: str, **options: Any) -> None:
        super().__init__(scope, id, env=cdk.Environment(account=account))
        self.pair = MultiRegionDsqlDr(self, "OrdersDb", environment_name=id.lower(), **options)


app = cdk.App()
stack = cdk.Stack(app, "OrdersPipeline", env=cdk.Environment(account="111122223333", region="us-east-1"))
pipeline = pipelines.CodePipeline(
    stack,
    "Pipeline",
    cross_account_keys=True,
    enable_key_rotation=True,
    use_change_sets=False,
    synth=pipelines.ShellStep(
        "Synth",
        input=pipelines.CodePipelineSource.connection(REPOSITORY, "main", connection_arn=CONNECTION_ARN),
        commands=[
            "npm ci --ignore-scripts",
            "pip install --require-hashes --only-binary=:all: --requirement requirements.lock",
            "npx --no cdk synth",
        ],
    ),
)
pipeline.add_stage(
    Database(
        app,
        "Staging",
        account=STAGING,
        alert_emails=["staging@example.com"],
        removal_policy=cdk.RemovalPolicy.DESTROY,  # staging comes and goes
    )
)
pipeline.add_stage(
    Database(
        app,
        "Production",
        account=PRODUCTION,
        alert_emails=["ops@example.com"],
        monitoring=MonitoringOptions(witness_observer=True),
    ),
    pre=[pipelines.ManualApprovalStep("Approve")],
)
app.synth()
