"""The report that AWS FIS writes about an experiment; the emulator checks what it needs, and draws none.

Source: https://docs.aws.amazon.com/fis/latest/userguide/experiment-report-configuration.html
"""

from __future__ import annotations

from collections.abc import Iterator

from .backup_records import Check
from .fis_actions import seconds
from .fis_records import ENDED, Experiment, Roles

_AFTERWARDS = "PT0S"  # assumed, where the configuration says nothing


def plan(experiment: Experiment) -> None:
    """Note that there will be a report, if the template asks for one and an action runs."""
    if experiment.asked.get("experimentReportConfiguration"):
        skipped = experiment.mode == "skip-all"
        experiment.report = {"state": {"status": "cancelled" if skipped else "pending"}}


def settle(experiment: Experiment, now: float, roles: Roles, time_scale: float) -> None:
    """Deliver the report when the time after the experiment, which it is also about, is over."""
    if not experiment.report or experiment.report["state"]["status"] not in ("pending", "running"):
        return
    if experiment.status not in ENDED or experiment.ended is None:
        return
    asked = experiment.asked["experimentReportConfiguration"]
    after = asked.get("postExperimentDuration") or _AFTERWARDS
    if now < experiment.ended + (0 if after == _AFTERWARDS else seconds(after)) * time_scale:
        experiment.report["state"]["status"] = "running"
        return
    denied = roles.denied(experiment.role, _checks(experiment))
    if denied:
        experiment.report["state"] = {"status": "failed", "reason": denied[:512], "error": {"code": "AccessDenied"}}
        return
    experiment.report["state"] = {"status": "completed"}
    experiment.report["s3Reports"] = [{"arn": _location(experiment), "reportType": "pdf"}]


def _checks(experiment: Experiment) -> Iterator[Check]:
    for action in ("s3:PutObject", "s3:GetObject"):
        yield action, _location(experiment), {}
    asked = experiment.asked["experimentReportConfiguration"]
    for one in (asked.get("dataSources") or {}).get("cloudWatchDashboards") or []:
        yield "cloudwatch:GetDashboard", one["dashboardIdentifier"], {}
        yield "cloudwatch:GetMetricWidgetImage", "*", {}


def _location(experiment: Experiment) -> str:
    """ARN of the object in the bucket; assumed: its name."""
    bucket = experiment.asked["experimentReportConfiguration"]["outputs"]["s3Configuration"]
    key = f"{bucket['prefix'].rstrip('/')}/" if bucket.get("prefix") else ""
    return f"arn:aws:s3:::{bucket['bucketName']}/{key}{experiment.identifier}.pdf"
