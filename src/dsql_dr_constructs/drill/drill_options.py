"""What a drill does, for how long, and what stops it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk import aws_logs as logs

from ..arguments import check_fields
from ..asked_once import seconds, unresolved
from ..regions import partition_of
from .cron_times import too_close

_LONGEST_MINUTES = 12 * 60
_MOST_STOP_ALARMS = 4
"""AWS FIS takes 5, of which one is the pair's own."""
_RECOVERY_MINUTES = 30
"""Between the end of one drill and the begin of the next, which asserts that all alarms are OK again."""
_BUCKET = r"(?!.*\.\.)(?!\d+(\.\d+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
_UNKNOWN = r"\$\{Token\[[^\]]+\]\}"


@dataclass(frozen=True, kw_only=True)
class DrillOptions:
    """Drills of a pair: connections to the cluster of one Region fail for a while, by AWS Fault Injection Service.

        DrillOptions(stop_alarm_arns={"us-east-1": [errors_in_virginia], "us-west-2": [errors_in_oregon]})

    Nothing runs by itself, unless there are *schedules*.

    Args:
        stop_alarm_arns: ARNs of CloudWatch alarms of yours that stop a drill when one is in ALARM, by the Region of the
            cluster that fails, in that Region; 4 at most for each, since the fifth that AWS FIS takes is the pair's
            own. Default: none, which is a warning.
        duration: How long connections fail; whole minutes, 1 minute to 12 hours. Default: 10 minutes.
        share: Percentage of the calls to the cluster that fail, 1 to 100. Default: 100.
        expect_alarm: Whether a drill fails unless the alarm ``cluster-down`` of the cluster is in ALARM after the
            longest time that it can take. It needs a *share* of 100 and a *duration* longer than that. Default: True
            where it has these and the SQL probe is on, else False, since AWS does not say whether a connection probe
            notices the fault.
        schedules: When drills start by themselves, by the Region of the cluster that fails: a cron expression of
            Amazon EventBridge Scheduler, UTC. Between two drills, of one Region or of both, *duration* and half an
            hour have to pass. Default: none.
        report_buckets: Names of S3 buckets of yours for AWS FIS's own report with the graphs of the dashboard, by the
            Region of the cluster that fails. Default: none, and no such report.
        log_retention: As in `MonitorOptions`, of what AWS FIS logs. Default: 1 year.

    Raises:
        ValueError: a field has a value of another type or out of bounds, or *expect_alarm* is given with a smaller
            *share*.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html
    """

    stop_alarm_arns: Mapping[str, Sequence[str]] | None = None
    duration: Duration = field(default_factory=lambda: Duration.minutes(10))
    share: int = 100
    expect_alarm: bool | None = None
    schedules: Mapping[str, str] | None = None
    report_buckets: Mapping[str, str] | None = None
    log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR

    def __post_init__(self) -> None:
        check_fields(self)
        if seconds(self.duration) % 60 or not 1 <= self.minutes <= _LONGEST_MINUTES:
            raise ValueError(
                f"duration is {self.duration.to_human_string()}: whole minutes are needed, 1 minute to 12 hours; "
                "Duration.minutes(10) is the default."
            )
        if not 1 <= self.share <= 100:
            raise ValueError(f"share is {self.share}: a whole percentage is needed, 1 to 100; 100 is the default.")
        if self.expect_alarm and self.share < 100:
            raise ValueError(
                f"expect_alarm is True and share is {self.share}: a connection probe can succeed although others fail, "
                "so that the alarm may stay in OK; leave one of them out."
            )
        for region, arns in (self.stop_alarm_arns or {}).items():
            _refuse_other_alarms(region, arns)
        for region, bucket in (self.report_buckets or {}).items():
            if not unresolved(bucket) and not re.fullmatch(_BUCKET, bucket):
                raise ValueError(
                    f"report_buckets has {bucket!r} for {region}: the name of an S3 bucket is needed, 3 to 63 "
                    "lower-case letters, digits, '.' and '-', such as 'drill-reports-111111111111'."
                )
        self._refuse_drills_at_once()

    @property
    def minutes(self) -> int:
        """*duration* in minutes."""
        return int(seconds(self.duration) // 60)

    def _refuse_drills_at_once(self) -> None:
        schedules, apart = self.schedules or {}, self.minutes + _RECOVERY_MINUTES
        if not (found := too_close(schedules, apart)):
            return
        one, other = found
        if one == other:
            raise ValueError(
                f"schedules has {schedules[one]} for {one}, which is due again within less than {apart} minutes, when "
                "the alarms of its drill are still in ALARM: give times that are further apart."
            )
        raise ValueError(
            f"schedules has {schedules[one]} for {one} and {schedules[other]} for {other}, which can be less than "
            f"{apart} minutes apart, so that both clusters fail or the second drill finds the alarms in ALARM: give "
            "times on other days, or further apart."
        )


def refuse_drills_elsewhere(options: DrillOptions, regions: Iterable[str]) -> None:
    """
    Raises:
        ValueError: *options* have something for another Region than *regions*.
    """
    for name in ("stop_alarm_arns", "schedules", "report_buckets"):
        others = set(getattr(options, name) or {}) - set(regions)
        if others:
            raise ValueError(
                f"{name} has {', '.join(sorted(others))}: the clusters are in {' and '.join(regions)}; give {name} by "
                "the names of these Regions."
            )


def _refuse_other_alarms(region: str, arns: Sequence[str]) -> None:
    """Tokens are taken, of the whole or of a part.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/stop-conditions.html
    """
    if len(arns) > _MOST_STOP_ALARMS:
        raise ValueError(
            f"stop_alarm_arns has {len(arns)} alarms for {region}: {_MOST_STOP_ALARMS} are possible beside the pair's "
            "own; give fewer, or a composite alarm of them."
        )
    partition = partition_of(region)
    form = rf"arn:({partition}|{_UNKNOWN}):cloudwatch:({re.escape(region)}|{_UNKNOWN}):(\d{{12}}|{_UNKNOWN}):alarm:\S.*"
    for arn in arns:
        if not re.fullmatch(rf"{form}|{_UNKNOWN}", arn):
            raise ValueError(
                f"stop_alarm_arns has {re.sub(_UNKNOWN, '<token>', arn)!r} for {region}: the ARN of an alarm in that "
                f"Region is needed, arn:{partition}:cloudwatch:{region}:<account>:alarm:<name>."
            )
    if len(set(arns)) < len(arns):
        raise ValueError(f"stop_alarm_arns has an alarm twice for {region}: give each of them once.")
