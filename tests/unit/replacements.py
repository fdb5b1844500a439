"""What changing a parameter replaces: `python -m tests.unit.replacements` prints the table of docs/upgrading.md."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk.aws_backup import LockConfiguration
from aws_cdk.aws_logs import RetentionDays
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from dsql_dr_constructs import (
    AlarmOptions,
    BackupOptions,
    ClusterOptions,
    DrillOptions,
    FailoverOptions,
    HealthAlarmOptions,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionDsqlDr,
    StackOptions,
)

TOPICS = {region: f"arn:aws:sns:{region}:111111111111:ops" for region in ("us-east-1", "us-west-2")}
ARNS = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in TOPICS]
_ELSEWHERE = cdk.App()
KEYS = {
    region: kms.Key.from_key_arn(cdk.Stack(_ELSEWHERE, region), "Key", f"arn:aws:kms:{region}:111111111111:key/own")
    for region in ("us-east-1", "us-west-2")
}
CHANGES: dict[str, dict[str, Any]] = {
    "the construct's id": {"id": "Renamed"},
    "`cluster_arns`": {"cluster_arns": ARNS},
    "`primary_region`": {"primary_region": "us-east-2", "witness_region": "us-east-1"},
    "`secondary_region`": {"secondary_region": "us-east-2", "witness_region": "us-west-2"},
    "`witness_region`": {},
    "`environment_name`": {"environment_name": "staging"},
    "`deployment_name`": {"deployment_name": "renamed"},
    "`removal_policy`": {"removal_policy": cdk.RemovalPolicy.DESTROY},
    "`encryption_keys`": {"encryption_keys": KEYS},
    "`tags`": {"tags": {"team": "orders"}},
    "`alert_emails`": {"alert_emails": ["ops@example.com"]},
    "`schedule`": {"schedule": cdk.Duration.minutes(1)},
    "`cluster_options`: `name_prefix`": {"cluster_options": ClusterOptions(name_prefix="renamed")},
    "`cluster_options`: `deletion_protection`": {"cluster_options": ClusterOptions(deletion_protection=False)},
    "`cluster_options`: `peering_timeout`": {
        "cluster_options": ClusterOptions(peering_timeout=cdk.Duration.minutes(50))
    },
    "`cluster_options`: `repair_on_deploy`": {"cluster_options": ClusterOptions(repair_on_deploy=True)},
    "`cluster_options`: `database_roles`": {"cluster_options": ClusterOptions(database_roles=True)},
    "`stack_options`: `synthesizer`": {
        "stack_options": StackOptions(synthesizer=cdk.DefaultStackSynthesizer(qualifier="orders"))
    },
    "`stack_options`: `termination_protection`": {"stack_options": StackOptions(termination_protection=True)},
    "`backup`": {"backup": None},
    "`backup`: `hour`": {"backup": BackupOptions(hour=3)},
    "`backup`: `retention`": {"backup": BackupOptions(retention=cdk.Duration.days(90))},
    "`backup`: `weekly_retention`": {"backup": BackupOptions(weekly_retention=cdk.Duration.days(90))},
    "`backup`: `monthly_retention`": {"backup": BackupOptions(monthly_retention=cdk.Duration.days(365))},
    "`backup`: `vaults`": {"backup": BackupOptions(vaults={"us-east-1": "own", "us-west-2": "own"})},
    "`backup`: `deletion_principals`": {
        "backup": BackupOptions(deletion_principals=["arn:aws:iam::111111111111:role/admin"])
    },
    "`backup`: `lock`": {"backup": BackupOptions(lock=LockConfiguration(min_retention=cdk.Duration.days(7)))},
    "`backup`: `removal_policy`": {"backup": BackupOptions(removal_policy=cdk.RemovalPolicy.DESTROY)},
    "`backup`: `delete_recovery_points`": {
        "backup": BackupOptions(removal_policy=cdk.RemovalPolicy.DESTROY, delete_recovery_points=True)
    },
    "`drill`": {"drill": None},
    "`drill`: `stop_alarm_arns`": {
        "drill": DrillOptions(stop_alarm_arns={"us-east-1": ["arn:aws:cloudwatch:us-east-1:111111111111:alarm:errors"]})
    },
    "`drill`: `duration`": {"drill": DrillOptions(duration=cdk.Duration.minutes(20))},
    "`drill`: `share`": {"drill": DrillOptions(share=50)},
    "`drill`: `expect_alarm`": {"drill": DrillOptions(expect_alarm=True)},
    "`drill`: `schedules`": {"drill": DrillOptions(schedules={"us-east-1": "cron(0 9 ? 1,7 TUE#2 *)"})},
    "`drill`: `report_buckets`": {"drill": DrillOptions(report_buckets={"us-east-1": "drill-reports"})},
    "`drill`: `log_retention`": {"drill": DrillOptions(log_retention=RetentionDays.THREE_YEARS)},
    "`failover`": {"failover": None},
    "`failover`: `unhealthy_without_data`": {"failover": FailoverOptions(unhealthy_without_data=False)},
    "`monitoring`": {"monitoring": None},
    "`monitoring`: `witness_observer`": {"monitoring": MonitoringOptions(witness_observer=True)},
    "`monitoring`: `sql_probe`": {"monitoring": MonitoringOptions(sql_probe=True)},
    "`monitoring`: `alert_topics`": {"monitoring": MonitoringOptions(alert_topics=TOPICS)},
    "`monitoring`: `warning_emails`": {"monitoring": MonitoringOptions(warning_emails=["dev@example.com"])},
    "`monitoring`: `warning_topics`": {"monitoring": MonitoringOptions(warning_topics=TOPICS)},
    "`monitoring`: `alarm_options`": {
        "monitoring": MonitoringOptions(alarm_options=HealthAlarmOptions(commit_latency=AlarmOptions(threshold=200)))
    },
    "`monitoring`: `monitor_options`": {
        "monitoring": MonitoringOptions(monitor_options={"us-east-1": MonitorOptions(memory_size=512)})
    },
}
"""Each parameter and each field of its options, changed from its default; `witness_region` in Europe.

Those of `backup`, `drill` and `failover` are changed from options with their defaults: without them there is nothing to
replace.
"""

EUROPE = {"primary_region": "eu-west-1", "secondary_region": "eu-west-2"}
Key = tuple[str, str, str]
"""Stack, Region and logical id."""


def resources(id: str = "Orders", **options: Any) -> dict[Key, dict[str, Any]]:
    pair = MultiRegionDsqlDr(cdk.App(), id, account="111111111111", **options)
    return {
        (stack.stack_name, stack.region, logical_id): one
        for stack in pair.stacks
        for logical_id, one in assertions.Template.from_stack(stack).to_json()["Resources"].items()
    }


def replaced(before: dict[Key, dict[str, Any]], after: dict[Key, dict[str, Any]]) -> set[str]:
    """Types of the resources that CloudFormation deletes or makes anew."""
    return {one["Type"] for key, one in before.items() if key not in after or _made_anew(key[1], one, after[key])}


def _made_anew(region: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    kind = before["Type"]
    if kind.startswith("Custom::") or kind in ("AWS::CloudFormation::CustomResource", "AWS::CDK::Metadata"):
        return False
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind).schema
    fixed = [path.rpartition("/")[2] for path in schema.get("createOnlyProperties", [])]
    old, new = before.get("Properties", {}), after.get("Properties", {})
    return kind != after["Type"] or any(old.get(name) != new.get(name) for name in fixed)


def changes() -> dict[str, set[str]]:
    """Types that each change replaces."""
    default, backed_up, drilled = resources(), resources(backup=BackupOptions()), resources(drill=DrillOptions())
    followed = resources(failover=FailoverOptions())
    found = {}
    for what, options in CHANGES.items():
        if "backup" in options:
            found[what] = replaced(backed_up, resources(**options))
        elif "drill" in options:
            found[what] = replaced(drilled, resources(**options))
        elif "failover" in options:
            found[what] = replaced(followed, resources(**options))
        elif what == "`witness_region`":
            one = resources(**EUROPE, witness_region="eu-west-3")
            found[what] = replaced(one, resources(**EUROPE, witness_region="eu-central-1"))
        else:
            found[what] = replaced(default, resources(**options))
    return found


def table() -> str:
    rows = []
    for what, kinds in changes().items():
        clusters = "**yes**" if "AWS::DSQL::Cluster" in kinds else "no"
        if what == "`cluster_arns`":
            clusters = "no, those of the ARNs; [the others are kept](adopt.md#take-over-a-pair-that-exists)"
        others = sorted(one.removeprefix("AWS::") for one in kinds - {"AWS::DSQL::Cluster"} if "::Policy" not in one)
        told = "everything else in those stacks" if len(others) > 10 else ", ".join(others) or "nothing"
        rows.append(f"| {what} | {clusters} | {told} |")
    return "\n".join(["| Changed | New, empty clusters | Also replaced or removed |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())  # noqa: T201 - that is what it is for
