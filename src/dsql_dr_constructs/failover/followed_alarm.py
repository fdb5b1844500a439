"""What Route 53 follows of an alarm: its metric and settings, copied when the health check is made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import cast

from aws_cdk.aws_cloudwatch import CfnAlarm, TreatMissingData

from ..monitoring.health_alarms import HealthAlarms
from ..monitoring.notification_path import described

_WITHOUT_DATA = {
    TreatMissingData.BREACHING: ("breaching", "Unhealthy"),
    TreatMissingData.NOT_BREACHING: ("notBreaching", "Healthy"),
}
"""What an alarm and its health check are without data: AWS does not say which of the two settings Route 53 follows.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-ge-cfn.html
"""
_NOT_COPIED = ("DatapointsToAlarm", "TreatMissingData")


@dataclass(frozen=True)
class FollowedAlarm:
    """A metric alarm as a health check needs it.

    Args:
        what: Its key in `HealthAlarms.alarms`.
        name: Physical name.
        region: Where it is.
        without_data: ``InsufficientDataHealthStatus`` of the health check.
        fingerprint: Changes with what Route 53 copies of it, and does not follow afterwards.
    """

    what: str
    name: str
    region: str
    without_data: str
    fingerprint: str


def follow(alarms: HealthAlarms, what: str, *, without_data: TreatMissingData | None = None) -> FollowedAlarm:
    """The alarm *what* of one observer, which treats a missing datapoint as *without_data*, if that is given.

    It loses its DatapointsToAlarm, which means nothing where all datapoints are needed: Route 53 does not support "M
    out of N" alarms, and AWS does not say whether one with M = N is such.

    Raises:
        ValueError: there is no such alarm, or Route 53 cannot follow it.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
    """
    if what not in alarms._evaluated:
        raise ValueError(
            f"cluster_health is None for {alarms.region}, and a health check of Route 53 follows its alarm {what}: "
            "leave cluster_health out of HealthAlarmOptions, or give it AlarmOptions."
        )
    evaluated = alarms._evaluated[what]
    needed, periods = evaluated[2].datapoints_to_alarm, evaluated[2].evaluation_periods
    if needed and needed != periods:
        raise ValueError(
            f"cluster_health asks for {needed} of {periods} datapoints in {alarms.region}, and Route 53 follows no "
            "such alarms: give datapoints_to_alarm and evaluation_periods the same number."
        )
    missing = without_data or cast("TreatMissingData", evaluated[2].treat_missing_data)
    if what.startswith("cluster-health-") and missing != TreatMissingData.BREACHING:
        raise ValueError(
            f"cluster_health has treat_missing_data {missing.name} in {alarms.region}, and users would not leave a "
            "Region that is lost with its monitor: leave treat_missing_data out, or give BREACHING."
        )
    alarm = cast("CfnAlarm", alarms.alarms[what].node.default_child)
    if needed:
        alarm.datapoints_to_alarm = None
    treated_as, status = _WITHOUT_DATA[missing]
    if without_data:
        alarm.treat_missing_data = treated_as
    settings = described({what: evaluated}, alarms._monitor._stack)[what]
    copied = {name: value for name, value in settings.items() if name not in _NOT_COPIED}
    fingerprint = hashlib.sha256(json.dumps(copied, sort_keys=True).encode()).hexdigest()[:8]
    return FollowedAlarm(what, alarms._name(what), alarms.region, status, fingerprint)
