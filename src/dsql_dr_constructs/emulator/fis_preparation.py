"""What AWS FIS does before the first action: is the role good, are the alarms OK, and which clusters are the targets?

Source: https://docs.aws.amazon.com/fis/latest/userguide/targets.html
Source: https://docs.aws.amazon.com/fis/latest/userguide/stop-conditions.html
"""

from __future__ import annotations

from dataclasses import dataclass

from . import fis_notices
from .backup_records import Check
from .dsql import Dsql
from .fis_records import Alarms, Asked, Experiment, Roles
from .fis_templates import selected

_LOG_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)


class FailedError(Exception):
    """The experiment fails; the text says why. Codes and locations are assumed."""

    def __init__(self, code: str, location: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.location = code, location


@dataclass(frozen=True)
class Preparation:
    """Checks an experiment, and finds its targets.

    Args:
        dsql: Has the clusters.
        roles: Whether the experiment's role may be used, and what for.
        alarms: Those of stop conditions.
        runs_without_data: Whether an experiment starts while an alarm of a stop condition is in INSUFFICIENT_DATA.
    """

    dsql: Dsql
    roles: Roles
    alarms: Alarms
    runs_without_data: bool

    def check(self, experiment: Experiment) -> None:
        """Whether the experiment may begin.

        Source of the sentences: https://github.com/aws-samples/aws-fault-injection-simulator-workshop/issues/390 for
        the role's, and experiments that ran, as public repositories report them, for the alarms'.

        Raises:
            FailedError: its role cannot be assumed or may not write logs, or an alarm of a stop condition is not OK.
        """
        if untrusted := self.roles.untrusted(experiment.role, experiment.arn):
            raise FailedError("RoleNotAssumable", experiment.role, untrusted)
        if (experiment.asked.get("logConfiguration") or {}).get("cloudWatchLogsConfiguration"):
            self._need(experiment, [(one, "*", {}) for one in _LOG_ACTIONS])
        allowed = ("OK", "INSUFFICIENT_DATA") if self.runs_without_data else ("OK",)
        not_ok = [one for one in experiment.stop_alarms if self.alarms.state(one) not in allowed]
        if not_ok:
            reason = (
                f"Error while handling stop condition for experiment: {experiment.identifier} "
                f"The following alarms were not in state OK: [{', '.join(not_ok)}]"
            )
            raise FailedError("StopConditionError", not_ok[0], reason)

    def resolve(self, experiment: Experiment, target: Asked) -> list[str]:
        """ARNs of the clusters that *target* means now.

        Raises:
            FailedError: there is none, or the role may not find them.
        """
        clusters = self.dsql.list_clusters(*experiment.where)
        tags, arns = target.get("resourceTags"), target.get("resourceArns") or []
        if tags:
            targets = [one for one in clusters if tags.items() <= one.tags.items()]
        else:
            targets = [one for one in clusters if one.arn in arns]
        found = [one.arn for one in targets]
        # AWS's reference of the action names both, for targets by ARN as for targets by tag
        checks: list[Check] = [("tag:GetResources", "*", {})]
        for one in targets:
            context = {f"aws:ResourceTag/{key}": value for key, value in one.tags.items()}
            checks.append(("dsql:GetCluster", one.arn, context))
        self._need(experiment, checks)
        if not found and not experiment.skips_empty_targets:
            raise FailedError("InvalidTarget", "targets", "Target resolution returned empty set")
        return selected(found, target["selectionMode"]) if found else []

    def raised(self, experiment: Experiment) -> bool:
        """Whether an alarm of a stop condition is in ALARM."""
        return any(self.alarms.state(one) == "ALARM" for one in experiment.stop_alarms)

    def _need(self, experiment: Experiment, checks: list[Check]) -> None:
        for one in checks:
            if self.roles.denied(experiment.role, [one]):
                reason = f'Role "{experiment.role}" does not have sufficient privileges to perform {one[0]}.'
                raise FailedError("AccessDenied", experiment.role, f"The experiment has failed. {reason}")


def resolution_record(experiment: Experiment, name: str, at: float, *, begins: bool) -> list[fis_notices.Record]:
    """The log's records about the resolution of one target."""
    when = fis_notices.timestamp(at)
    if begins:
        details = {"target_resolution_start_time": when, "target_name": name}
        return fis_notices.record(experiment, "target-resolution-start", at, details)
    arns, kind = experiment.resolved[name], experiment.asked["targets"][name]["resourceType"]
    common = {"target_resolution_end_time": when, "target_name": name, "target_type": kind}
    detail = {**common, "account_id": experiment.where.account, "resolved_targets_count": len(arns)}
    end = {**common, "resolved_targets": [{"arn": one} for one in arns], "page": 1, "total_pages": 1}
    return [
        *fis_notices.record(experiment, "target-resolution-detail", at, {**detail, "status": "completed"}),
        *fis_notices.record(experiment, "target-resolution-end", at, end),
    ]
