"""The pair, configured by context (cdk.json or --context), else by environment variables, else by defaults."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

import aws_cdk as cdk

from dsql_dr_constructs import ClusterOptions, MultiRegionDsqlDr


@dataclass(frozen=True)
class Parameter:
    """One thing that can be configured: a value given in context wins over the environment variable."""

    context: str
    variable: str | None
    default: str
    pattern: str
    allowed: str

    def read(self, app: cdk.App) -> str:
        value = str(app.node.try_get_context(self.context) or os.environ.get(self.variable or "") or self.default)
        if not re.fullmatch(self.pattern, value):
            variable = f" (environment variable {self.variable})" if self.variable else ""
            sys.exit(f"{self.context}{variable} is {value!r}: {self.allowed} is allowed.")
        return value


REGION, A_REGION = r"[a-z]{2}(-[a-z]+)+-\d", "a Region code such as us-east-1"
ENVIRONMENT = Parameter("environment", "ENVIRONMENT", "production", r"[A-Za-z][A-Za-z0-9-]*", "a name such as staging")
PRIMARY_REGION = Parameter("primaryRegion", "PRIMARY_REGION", "us-east-1", REGION, A_REGION)
SECONDARY_REGION = Parameter("secondaryRegion", "SECONDARY_REGION", "us-west-2", REGION, A_REGION)
WITNESS_REGION = Parameter("witnessRegion", "WITNESS_REGION", "us-east-2", REGION, A_REGION)
EMAIL = Parameter("monitoringEmail", "MONITORING_EMAIL", "", r"|[^@\s]+@[^@\s]+", "an address such as ops@example.com")
PREFIX = Parameter("clusterPrefix", None, "dr-dsql", r"[\w.:/=+@ -]{1,240}", "what can stand in a tag")
MINUTES = Parameter("monitoringFrequencyMinutes", None, "2", r"[1-9]|[1-5]\d|60", "a whole number from 1 to 60")

app = cdk.App()
email = EMAIL.read(app)
try:
    MultiRegionDsqlDr(
        app,
        "AuroraDsqlDR",
        environment_name=ENVIRONMENT.read(app),
        primary_region=PRIMARY_REGION.read(app),
        secondary_region=SECONDARY_REGION.read(app),
        witness_region=WITNESS_REGION.read(app),
        alert_emails=[email] if email else [],
        cluster_options=ClusterOptions(name_prefix=PREFIX.read(app)),
        schedule=cdk.Duration.minutes(int(MINUTES.read(app))),
    )
except ValueError as error:  # of Regions that do not fit together; the library calls them by its own names
    sys.exit(re.sub(r"(primary|secondary|witness)_region", r"\1Region", str(error)))
app.synth()
