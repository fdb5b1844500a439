"""Entry point of the monitor's Lambda function: a schedule, a person, or a deployment calls it."""
# ruff: noqa: E402

from __future__ import annotations

import gc

gc.disable()  # all that is made from here to the end stays; collecting garbage in it costs a tenth of the start

import os
import ssl
from functools import cache, partial
from typing import Any

from botocore.config import Config
from botocore.session import get_session  # not boto3, whose resources are not needed: a third of the start is saved

from .metrics import RunTimes
from .monitoring_run import FailedRunError, MonitoringRun
from .notifications import NotificationCheck
from .retries import Surroundings
from .settings import Settings

# One try each: the run's own retries know its budget and count what they need.
_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})
_SESSION = get_session()


@cache
def _client(service: str, region: str) -> Any:
    return _SESSION.create_client(service, region_name=region, config=_CONFIG)


_SETTINGS, _SURROUNDINGS = Settings.of(os.environ), Surroundings()
_tls = cache(ssl.create_default_context)
_notifications = NotificationCheck(
    _SETTINGS.notification_paths, _SETTINGS.notifications_every, client=_client, now=_SURROUNDINGS.now
)
_recovery_points = None
if _SETTINGS.backup_vaults:
    from .recovery_point_check import RecoveryPointCheck  # which is not needed without, as its clients

    _recovery_points = RecoveryPointCheck(
        _SETTINGS.clusters,
        _SETTINGS.backup_vaults,
        _SETTINGS.backups_every,
        client=_client,
        now=_SURROUNDINGS.now,
        stale_hours=_SETTINGS.stale_hours,
    )
_evacuation = None
if _SETTINGS.evacuation_regions:
    from .evacuation_check import EvacuationCheck  # as above

    _evacuation = EvacuationCheck(_SETTINGS, _client)
_monitoring_run = partial(
    MonitoringRun,
    _SETTINGS,
    client=_client,
    tls=_tls,
    surroundings=_SURROUNDINGS,
    notifications=_notifications,
    recovery_points=_recovery_points,
    evacuation=_evacuation,
    times=RunTimes(),
)
_deletions_failed: list[bool] = []
_monitoring_run()  # its clients are made now, outside of any run's budget
gc.freeze()
gc.enable()


def handle(event: dict[str, Any] | None, context: object) -> dict[str, Any]:
    """Check both clusters once.

    Every event does, so that no invocation counts at Lambda without metrics of its own: `data_without_runs` of
    HealthAlarmOptions relies on it.

    Args:
        event: From the schedule, from CloudFormation, or anything else, which a person sends: ``{}`` or nothing.

    Returns:
        The verdict with its evidence, as in docs/monitor-answer.schema.json.

    Raises:
        FailedRunError: the run failed. If a stack is being deleted, which that must not stop, the answer with the
            errors is returned instead; but once for each process only, so that an input of the schedule that always
            says Delete hides no failure.
    """
    event = event or {}
    request = event.get("RequestType")
    on_demand = request is None and event.get("source") != "aws.events"
    try:
        return _monitoring_run(first=request in ("Create", "Update"), on_demand=on_demand).run()
    except FailedRunError as failed:
        if request != "Delete" or _deletions_failed:
            raise
        _deletions_failed.append(True)
        return failed.answer
