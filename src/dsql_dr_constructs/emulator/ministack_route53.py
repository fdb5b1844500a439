"""ministack's Route 53, as health checks here need it; the names used are in `SEAMS`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from . import alarm_clock, ministack_alarms
from .alarm_evaluation import MetricQuery
from .credentials import ACCOUNT
from .faults import Faults
from .route53 import CONTROL_PLANE, Check, Route53, Route53Error
from .route53_rules import FOLLOWED, Record

_RECORDS = re.compile(r"/2013-04-01/hostedzone/[^/]+/rrset/?")
_TAGS = re.compile(r"/2013-04-01/tags/([^/]+)")
_CHECK_OF_RECORD = re.compile(rb"<HealthCheckId>([^<]+)<")


class AllRegions:
    """CloudWatch of every Region, for `Route53`."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def alarm(self, region: str, name: str) -> Mapping[str, Any] | None:
        return ministack_alarms.alarm_at(f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{name}")

    def value(self, region: str, query: MetricQuery, start: float, end: float) -> float | None:
        with _at(region):
            return alarm_clock.fetch(query, start, end)

    def put_status(self, identifier: str, value: float) -> None:
        if self._faults.affecting(("timeout",), CONTROL_PLANE, "cloudwatch", "PutMetricData"):
            return
        datum = {"MetricName": "HealthCheckStatus", "Value": value}
        dimension = {"Dimensions.member.1.Name": "HealthCheckId", "Dimensions.member.1.Value": identifier}
        data = {f"MetricData.member.1.{name}": one for name, one in {**datum, **dimension}.items()}
        with _at(CONTROL_PLANE):
            ministack_alarms.call_cloudwatch("PutMetricData", {"Namespace": "AWS/Route53", **data})


def health_checks() -> Any:
    """Where health checks are kept, by id."""
    return _route53()._health_checks


def tags(identifier: str) -> dict[str, str]:
    """Of a health check, to read and to change."""
    found: dict[str, str] = _route53()._tags.setdefault(("healthcheck", identifier), {})
    return found


def delete_health_check(identifier: str) -> None:
    _route53()._delete_health_check(identifier)
    _route53()._tags.pop(("healthcheck", identifier), None)


def records() -> list[Record]:
    """Of all hosted zones, as ListResourceRecordSets has them."""
    return [_as_listed(record) for zone in list(_route53()._records.values()) for record in list(zone)]


def answer_for(service: Route53) -> None:
    """Let calls about health checks be answered by *service*, and those that ministack lacks."""
    route53 = _route53()
    build, plain = route53._build_health_check_el, route53.handle_request
    parse = route53._parse_health_check_config

    def built(parent: Element, check: Check) -> None:
        config = {name: str(one).lower() if isinstance(one, bool) else one for name, one in check["config"].items()}
        build(parent, {**check, "config": config})
        if check.get("alarm"):
            _add_settings(SubElement(parent[-1], "CloudWatchAlarmConfiguration"), check["alarm"])

    def parsed(element: Element) -> dict[str, Any]:
        config: dict[str, Any] = parse(element)
        for name in ("ChildHealthChecks", "Regions"):  # whose members have no text in ministack's
            if (listed := route53._find(element, name)) is not None:
                config[name] = [one.text for one in listed]
        return config

    def answered(name: str, check: Check, status: int) -> Any:
        return route53._xml_response(f"{name}Response", lambda root: built(root, check), status)

    def created(body: bytes) -> Any:
        root = route53._parse_body(body)
        config = parsed(route53._find(root, "HealthCheckConfig"))
        return answered("CreateHealthCheck", service.create(route53._text(root, "CallerReference"), config), 201)

    def updated(identifier: str, body: bytes) -> Any:
        root = route53._parse_body(body)
        reset = route53._find(root, "ResetElements")
        version = route53._text(root, "HealthCheckVersion")
        check = service.update(
            identifier,
            parsed(root),
            reset=() if reset is None else [one.text for one in reset],
            version=int(version) if version else None,
        )
        return answered("UpdateHealthCheck", check, 200)

    async def handled(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        try:
            if method == "POST" and (asked := _TAGS.fullmatch(path)):
                return _tags_of_several(asked[1], body)
            if method == "POST" and _RECORDS.fullmatch(path):
                kept = [change for change in body.split(b"<Change>") if b"<Action>DELETE<" not in change]
                for identifier in _CHECK_OF_RECORD.findall(b"".join(kept)):
                    service.find(identifier.decode())
            return await plain(method, path, headers, body, query)
        except Route53Error as error:
            return route53._error_response(error.code, error.message, error.status)

    route53._build_health_check_el, route53.handle_request = built, handled
    route53._create_health_check, route53._update_health_check = created, updated


def _tags_of_several(resource_type: str, body: bytes) -> Any:
    route53 = _route53()
    asked = route53._find(route53._parse_body(body), "ResourceIds")

    def build(root: Element) -> None:
        found = SubElement(root, "ResourceTagSets")
        for one in asked:
            entry = SubElement(found, "ResourceTagSet")
            SubElement(entry, "ResourceType").text, SubElement(entry, "ResourceId").text = resource_type, one.text
            listed = SubElement(entry, "Tags")
            for key, value in route53._tags.get((resource_type, one.text), {}).items():
                tag = SubElement(listed, "Tag")
                SubElement(tag, "Key").text, SubElement(tag, "Value").text = key, value

    return route53._xml_response("ListTagsForResourcesResponse", build)


def _add_settings(parent: Element, alarm: Mapping[str, Any]) -> None:
    for name in FOLLOWED[:-1]:
        SubElement(parent, name).text = str(alarm[name])
    dimensions = SubElement(parent, "Dimensions")
    for one in alarm.get("Dimensions") or ():
        dimension = SubElement(dimensions, "Dimension")
        SubElement(dimension, "Name").text, SubElement(dimension, "Value").text = one["Name"], one["Value"]


def _as_listed(record: Mapping[str, Any]) -> Record:
    values = record.get("ResourceRecords")
    return {**record, "ResourceRecords": [{"Value": one} for one in values]} if values else record


def _at(region: str) -> Any:
    return importlib.import_module("ministack.core.responses").request_scope(ACCOUNT, region)


def _route53() -> Any:
    return importlib.import_module("ministack.services.route53")
