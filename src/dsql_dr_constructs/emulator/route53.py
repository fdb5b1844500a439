"""Route 53: health checks, judged by the data of alarms, and what a resolver is answered.

Endpoint health checks (HTTP, HTTPS, TCP) make no requests here and are healthy. A health check that was deleted counts
as unhealthy where it is a child or a record's; its "future status can't be predicted" in AWS.

Source: https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHealthCheck.html
Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from . import service_model
from .alarm_evaluation import EXTRA_PERIODS, AlarmDefinition, MetricQuery
from .route53_rules import (
    FOLLOWED,
    HEALTHY,
    LAST_KNOWN,
    UNHEALTHY,
    CalculatedCheck,
    HealthCheck,
    MetricCheck,
    Record,
    Zone,
    why_not_followed,
)

CONTROL_PLANE = "us-east-1"
"""Region whose endpoint answers all calls of Route 53; health checks and answers to resolvers do without it.

Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/route-53-concepts.html
"""

_MINUTE = 60.0
_OF_ENDPOINTS = ("RequestInterval", "FailureThreshold", "MeasureLatency")
_NOT_ALLOWED = {
    "CALCULATED": (*_OF_ENDPOINTS, "AlarmIdentifier"),
    "CLOUDWATCH_METRIC": (*_OF_ENDPOINTS, "ChildHealthChecks", "HealthThreshold"),
}
_NEEDED = {"CALCULATED": "HealthThreshold", "CLOUDWATCH_METRIC": "AlarmIdentifier"}
_MOST_CHILDREN = 256

Check = dict[str, Any]
"""A health check as ministack has it, and with the settings of its alarm, what was found last, and since when it is."""


class Route53Error(Exception):
    """A call is refused, with a code and an HTTP status of Route 53's API."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class CloudWatch(Protocol):
    """What health checks need of CloudWatch."""

    def alarm(self, region: str, name: str) -> Mapping[str, Any] | None:
        """A metric or composite alarm."""

    def value(self, region: str, query: MetricQuery, start: float, end: float) -> float | None:
        """A statistic of the data from *start* (inclusive) to *end* (exclusive); None without data."""

    def put_status(self, identifier: str, value: float) -> None:
        """Put HealthCheckStatus of a health check."""


class Route53:
    """The service.

    Args:
        checks: Where ministack keeps health checks by id.
        records: Gives the records of all hosted zones.
        cloudwatch: Has alarms and data.
        missing_data: As `Undocumented` has it.
        time_scale: Length of a minute of alarms and health checks, in minutes of real time. Default: 1.
        now: Seconds since the epoch, in real time. Default: `time.time`.
    """

    def __init__(
        self,
        checks: Any,
        records: Callable[[], list[Record]],
        cloudwatch: CloudWatch,
        *,
        missing_data: str,
        time_scale: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._checks = checks
        self._records = records
        self._cloudwatch = cloudwatch
        self._missing_data = missing_data
        self._time_scale = time_scale
        self._now = now
        self._lock = threading.RLock()

    def create(self, reference: str, config: dict[str, Any]) -> Check:
        """A new health check, or the one that a request with the same reference and settings made.

        Raises:
            Route53Error: Route 53 refuses it.
        """
        with self._lock:
            for check in self._all():
                if check["caller_reference"] == reference and check["config"] == config:
                    return check
                if check["caller_reference"] == reference:
                    sentence = f"A health check with the CallerReference {reference} and other settings exists."
                    raise Route53Error("HealthCheckAlreadyExists", sentence, 409)
            self._refuse_wrong(config)
            check = {"id": str(uuid.uuid4()), "caller_reference": reference, "config": config, "version": 1}
            check |= {"alarm": self._settings(config), "found": None, "since": self._now()}
            self._checks[check["id"]] = check
            return check

    def update(
        self, identifier: str, changes: dict[str, Any], *, reset: Iterable[str] = (), version: int | None = None
    ) -> Check:
        """The health check with its *changes*; with AlarmIdentifier among them, it copies the alarm's settings again.

        Raises:
            Route53Error: Route 53 refuses it.
        """
        with self._lock:
            check = self.find(identifier)
            if version not in (None, check["version"]):
                sentence = f"The health check {identifier} has the version {check['version']}, and not {version}."
                raise Route53Error("HealthCheckVersionMismatch", sentence, 409)
            config = {name: value for name, value in check["config"].items() if name not in set(reset)} | changes
            self._refuse_wrong(config)
            if "AlarmIdentifier" in changes:
                check["alarm"] = self._settings(config)
            check.update(config=config, version=check["version"] + 1)
            return check

    def find(self, identifier: str) -> Check:
        """A health check by its id.

        Raises:
            Route53Error: there is none.
        """
        found: Check | None = self._checks.get(identifier)
        if not found:
            raise Route53Error("NoSuchHealthCheck", f"No health check exists with the specified ID {identifier}.", 404)
        return found

    def status(self, identifier: str) -> str:
        """Healthy or Unhealthy, as records see it.

        Raises:
            ValueError: there is no such health check.
        """
        with self._lock:
            try:
                return self._status(self.find(identifier))
            except Route53Error as error:
                raise ValueError(error.message) from error

    def resolve(self, name: str, record_type: str, region: str) -> list[str]:
        """What a resolver in *region* is answered.

        Raises:
            ValueError: the records have a routing policy that is not modelled.
        """
        with self._lock:
            return Zone(self._records(), self._is_healthy).resolve(name, record_type, region)

    def start(self) -> None:
        """Judge health checks by their data from now on, every minute, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="route53").start()

    def evaluate(self) -> None:
        """Judge each health check by the data that there is now, and put its status."""
        with self._lock:
            for check in self._all():
                if check["config"]["Type"] == "CLOUDWATCH_METRIC":
                    self._judge(check)
            statuses = {check["id"]: self._status(check) for check in self._all() if not _flag(check, "Disabled")}
        for identifier, status in statuses.items():
            self._cloudwatch.put_status(identifier, float(status == HEALTHY))

    def _judge(self, check: Check) -> None:
        metric, region = _metric_check(check), check["config"]["AlarmIdentifier"]["Region"]
        datapoints = metric.alarm.datapoints(
            lambda query, start, end: self._cloudwatch.value(region, query, start, end),
            self._now(),
            scale=self._time_scale,
        )
        periods = metric.alarm.evaluation_periods + EXTRA_PERIODS
        is_new = self._now() - check["since"] < periods * metric.alarm.period * self._time_scale
        before = check["found"] or (None if is_new else HEALTHY)
        found = metric.found(datapoints, before, missing_data=self._missing_data)
        if before or any(value is not None for value in datapoints):
            check["found"] = found

    def _status(self, check: Check) -> str:
        config = check["config"]
        if config["Type"] == "CLOUDWATCH_METRIC":
            return _metric_check(check).reported(check["found"] or HEALTHY)
        flags = {"inverted": _flag(check, "Inverted"), "disabled": _flag(check, "Disabled")}
        if config["Type"] != "CALCULATED":
            return HealthCheck(**flags).reported(HEALTHY)
        children = [HEALTHY if self._is_healthy(one) else UNHEALTHY for one in config.get("ChildHealthChecks") or ()]
        counted = CalculatedCheck(threshold=config["HealthThreshold"], **flags)
        return counted.reported(counted.found(children))

    def _is_healthy(self, identifier: str) -> bool:
        check = self._checks.get(identifier)
        return bool(check) and self._status(check) == HEALTHY

    def _all(self) -> list[Check]:
        return list(self._checks.values())

    def _refuse_wrong(self, config: dict[str, Any]) -> None:
        shape = service_model.input_shape("route53", "CreateHealthCheck").members["HealthCheckConfig"]
        if wrong := service_model.violation(config, shape):
            raise _invalid(wrong)
        kind, children = config["Type"], config.get("ChildHealthChecks") or []
        if kind not in _NEEDED and "AlarmIdentifier" in config:
            raise _invalid("Basic health checks must not have an metric region specified.")
        if kind == "CALCULATED" and "HealthThreshold" not in config:
            raise _invalid("Calculated health checks must have a health threshold specified.")
        if kind in _NEEDED and _NEEDED[kind] not in config:
            raise _invalid(f"Health checks of the type {kind} must have {_NEEDED[kind]} specified.")
        for name in _NOT_ALLOWED.get(kind, ()):
            if name in config:
                raise _invalid(f"Health checks of the type {kind} must not have {name} specified.")
        if not 0 <= config.get("HealthThreshold", 0) <= _MOST_CHILDREN:
            raise _invalid(f"HealthThreshold is {config['HealthThreshold']}, and 0 to {_MOST_CHILDREN} is allowed.")
        if len(set(children)) < len(children):
            raise _invalid("ChildHealthChecks has a health check more than once.")
        for one in children:
            if one not in self._checks:
                raise _invalid(f"The child health check {one} does not exist.")
            if self._checks[one]["config"]["Type"] == "CALCULATED":
                raise _invalid(f"The child health check {one} is calculated itself.")

    def _settings(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Of the alarm that *config* names, as it is now."""
        if "AlarmIdentifier" not in config:
            return None
        region, name = config["AlarmIdentifier"]["Region"], config["AlarmIdentifier"]["Name"]
        alarm = self._cloudwatch.alarm(region, name)
        if not alarm:
            raise _invalid(f"The alarm {name} does not exist in {region}.")
        if reason := why_not_followed(alarm):
            raise _invalid(f"The alarm {name} in {region} cannot be followed by a health check: {reason}.")
        kept = {one: alarm[one] for one in (*FOLLOWED, "TreatMissingData") if alarm.get(one) is not None}
        return {"AlarmName": name, **kept}

    def _run(self) -> None:
        while True:
            time.sleep(_MINUTE * self._time_scale)
            try:
                self.evaluate()
            except Exception:  # one health check that cannot be judged must not stop the others for ever
                logging.getLogger(__name__).exception("Route 53 had an error")


def _metric_check(check: Check) -> MetricCheck:
    return MetricCheck(
        alarm=AlarmDefinition.of(check["alarm"]),
        without_data=check["config"].get("InsufficientDataHealthStatus", LAST_KNOWN),
        inverted=_flag(check, "Inverted"),
        disabled=_flag(check, "Disabled"),
    )


def _flag(check: Check, name: str) -> bool:
    return bool(check["config"].get(name, False))


def _invalid(sentence: str) -> Route53Error:
    return Route53Error("InvalidInput", f"Invalid parameter : {sentence}")
