"""What AWS FIS may do as the role of an experiment, and the alarms that it sees.

Source: https://docs.aws.amazon.com/fis/latest/userguide/getting-started-iam-service-role.html
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from . import ministack_alarms
from .backup_records import Check
from .fis_records import SERVICE
from .function_permissions import refusal
from .key_policies import admits


def trusts(role: str, service: str, source_arn: str) -> bool:
    """Whether *service*, on behalf of *source_arn*, may assume *role* of this account."""
    iam: Any = importlib.import_module("ministack.services.iam")
    account = role.split(":")[4]
    found = iam._roles.get_scoped(account, None, role.rpartition("/")[2])
    if not found or found["Arn"] != role:
        return False
    context = {"aws:SourceAccount": source_arn.split(":")[4], "aws:SourceArn": source_arn}
    return admits(found["AssumeRolePolicyDocument"], service, "sts:AssumeRole", role, context)


class FisRoles:
    """Roles of this account, as IAM has them now.

    Args:
        enforce: Whether the policies of a role are checked; who may assume it always is.
    """

    def __init__(self, *, enforce: bool) -> None:
        self._enforce = enforce

    def untrusted(self, role: str, experiment_arn: str) -> str | None:
        """Why AWS FIS cannot assume *role*, in assumed words; None if it can."""
        return None if trusts(role, SERVICE, experiment_arn) else f"AWS FIS cannot assume the role {role}."

    def denied(self, role: str, checks: Iterable[Check]) -> str | None:
        """IAM's sentence for the first of *checks* that the policies of *role* do not allow."""
        if not self._enforce:
            return None
        region = role.split(":")[3]
        found = (refusal(role, action, arn, region, context) for action, arn, context in checks)
        return next((one for one in found if one), None)


class FisAlarms:
    """Alarms, as CloudWatch has them now."""

    def state(self, arn: str) -> str | None:
        found = ministack_alarms.alarm_at(arn)
        return str(found["StateValue"]) if found else None

    def is_composite(self, arn: str) -> bool:
        found = ministack_alarms.alarm_at(arn)
        return found is not None and "AlarmRule" in found
