"""AWS FIS for Aurora DSQL: experiments that let connections to a cluster fail, in real time.

Source: https://docs.aws.amazon.com/fis/latest/userguide/what-is.html
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from .backup_events import Outbox
from .backup_records import Where
from .dsql import Dsql
from .faults import Faults
from .fis_action_run import ActionRun
from .fis_experiments import Experiments
from .fis_notices import Notice
from .fis_preparation import Preparation
from .fis_records import Alarms, Roles, not_found
from .fis_templates import FisTemplates

_TICK = 0.05


class Fis:
    """The service of every account and Region.

    Args:
        dsql: Has the clusters.
        faults: Connection failures hold there, for as long as their action runs.
        roles: Whether roles may be used, and what for.
        alarms: Those that are asserted, and those of stop conditions.
        send: Sends events and log records.
        time_scale: Length of a minute of an experiment, in minutes of real time. Default: 1.
        now: Seconds since the epoch, in real time, as alarms are evaluated in it. Default: `time.time`.
    """

    def __init__(
        self,
        dsql: Dsql,
        faults: Faults,
        *,
        roles: Roles,
        alarms: Alarms,
        send: Callable[[Notice], None],
        time_scale: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        choices = dsql.undocumented
        self.target_key = choices.fis_target_key
        self._outbox: Outbox[Notice] = Outbox(send)
        self._lock = threading.RLock()
        self._raised: deque[str] = deque()
        self.templates = FisTemplates(now, self.target_key)
        run = ActionRun(faults, roles, alarms, choices.connection_failure, time_scale)
        preparation = Preparation(dsql, roles, alarms, choices.stop_alarm_without_data == "run")
        self.experiments = Experiments(self.templates, preparation, run, self._outbox, now=now)

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile, and all is where it has come by now."""
        with self._lock:
            while self._raised:
                self.experiments.alarm_raised(self._raised.popleft())
            self.experiments.settle()
            yield

    def alarm_changed(self, arn: str, state: str) -> None:
        """Note that an alarm is in *state* now, for however short a time; may be called while CloudWatch is locked."""
        if state == "ALARM":
            self._raised.append(arn)

    def start(self) -> None:
        """Let experiments go on, and what they report be sent, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="fis").start()

    def tags_of(self, where: Where, arn: str) -> dict[str, str]:
        """Tags of a template or an experiment, to read and to change.

        Raises:
            FisError: there is no such resource.
        """
        for one in (*self.templates, *self.experiments):
            if one.arn == arn and one.where == where:
                tags: dict[str, str] = one.tags
                return tags
        raise not_found("resource", arn)

    def flush(self) -> None:
        """Send what was reported; never while this is locked, since a target may call back."""
        self._outbox.flush()

    def _run(self) -> None:
        while True:
            time.sleep(_TICK)
            try:
                with self.settled():
                    pass
                self.flush()
            except Exception:  # one experiment that cannot go on must not stop the others
                logging.getLogger(__name__).exception("AWS FIS had an error")
