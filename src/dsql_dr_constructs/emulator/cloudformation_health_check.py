"""CloudFormation's handler for ``AWS::Route53::HealthCheck``, and what all types of Route 53 have in common.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-route53-healthcheck.html
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from . import ministack_route53
from .faults import Faults
from .route53 import CONTROL_PLANE, Route53, Route53Error

TYPES = tuple(f"AWS::Route53::{name}" for name in ("HealthCheck", "HostedZone", "RecordSet"))

_REPLACES = ("Type", "MeasureLatency", "RequestInterval")
_NUMBERS = ("FailureThreshold", "HealthThreshold", "Port", "RequestInterval")
_FLAGS = ("EnableSNI", "Inverted", "MeasureLatency")
_RESET = ("ChildHealthChecks", "FullyQualifiedDomainName", "Regions", "ResourcePath")

Done = tuple[str, dict[str, Any]]


class HealthCheckHandler:
    """A health check is updated in place, and copies its alarm's settings again; some changes replace it.

    A template that has changed nothing of it leaves it as it is, also when the alarm has changed.

    Args:
        route53: The service.
    """

    def __init__(self, route53: Route53) -> None:
        self._route53 = route53

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Done:
        check = self._ask(lambda: self._route53.create(str(uuid.uuid4()), _config(properties)))
        ministack_route53.tags(check["id"]).update(_tags(properties))
        return _done(check["id"])

    def update(self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Done:
        before, after = _config(old), _config(new)
        if any(before.get(one) != after.get(one) for one in _REPLACES):
            return self.create("HealthCheck", new, stack_name)
        if before != after:
            left_out = [one for one in _RESET if one in before and one not in after]
            default = {"Inverted": False} if before.get("Inverted") else {}
            changes = default | {name: value for name, value in after.items() if name not in _REPLACES}
            self._ask(lambda: self._route53.update(identifier, changes, reset=left_out))
        kept = ministack_route53.tags(identifier)
        for key in _tags(old):
            kept.pop(key, None)
        kept.update(_tags(new))
        return _done(identifier)

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        ministack_route53.delete_health_check(identifier)

    @staticmethod
    def _ask(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return call()
        except Route53Error as error:
            raise _refused(error.message, error.status, error.code) from error


class OfControlPlane:
    """A handler of Route 53's, which fails while the control plane's Region does not answer.

    Args:
        plain: Its functions; to create, update and delete.
        route53: Knows the health checks that records may name.
        faults: Those of the control plane.
    """

    def __init__(self, plain: Mapping[str, Callable[..., Any]], route53: Route53, faults: Faults) -> None:
        self._plain = plain
        self._route53 = route53
        self._faults = faults

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        self._check(properties)
        return self._plain["create"](logical_id, properties, stack_name)

    def update(self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, *more: str) -> Any:
        self._check(new)
        return self._plain["update"](identifier, old, new, stack_name, *more)

    def delete(self, identifier: str, properties: dict[str, Any]) -> Any:
        self._check({})
        return self._plain["delete"](identifier, properties)

    def _check(self, properties: Mapping[str, Any]) -> None:
        fault = self._faults.affecting(("error", "timeout"), CONTROL_PLANE, "route53", "CloudFormation")
        if fault and not fault.functions_only:
            sentence = f"Route 53's control plane, in {CONTROL_PLANE}, does not answer"
            raise _refused(sentence, 503, "ServiceInternalError")
        if identifier := properties.get("HealthCheckId"):
            try:
                self._route53.find(identifier)
            except Route53Error as error:
                raise _refused(error.message, error.status, error.code) from error


def _refused(message: str, status: int, code: str) -> RuntimeError:
    return RuntimeError(
        f'Resource handler returned message: "{message} (Service: Route53, Status Code: {status})" '
        f"(HandlerErrorCode: {code})"
    )


def _done(identifier: str) -> Done:
    return identifier, {"HealthCheckId": identifier}


def _config(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of types that the API has, as CloudFormation converts them."""
    config = dict(properties["HealthCheckConfig"])
    for name in config:
        if name in _NUMBERS:
            config[name] = int(config[name])
        elif name in _FLAGS:
            config[name] = str(config[name]).lower() == "true"
    return config


def _tags(properties: Mapping[str, Any]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in properties.get("HealthCheckTags") or ()}
