"""AWS's list prices in us-east-1, in US dollars, as of November 2026. AWS changes them: look before you rely on one.

They are written down by hand and were not fetched from the pages named beside them.

Free tiers are left out, but for Aurora DSQL's, since an account that runs this has usually used them up.
"""

from __future__ import annotations

AS_OF = "November 2026"
REGION = "us-east-1"

# https://aws.amazon.com/cloudwatch/pricing/
ALARM_METRIC_MONTH = 0.10
"""Each metric that an alarm looks at."""
COMPOSITE_ALARM_MONTH = 0.50
CUSTOM_METRIC_MONTH = 0.30
DASHBOARD_MONTH = 3.00
METRIC_REQUEST = 0.01 / 1000
"""One call of PutMetricData."""
LOG_GB = 0.50

# https://aws.amazon.com/lambda/pricing/
FUNCTION_REQUEST = 0.20 / 1e6
FUNCTION_GB_SECOND_ARM = 0.0000133334

# https://aws.amazon.com/kms/pricing/
KEY_MONTH = 1.00

# https://aws.amazon.com/rds/aurora/dsql/pricing/
DPU = 8.00 / 1e6
FREE_DPUS_MONTH = 100_000
STORAGE_GB_MONTH = 0.33
FREE_STORAGE_GB = 1.0
