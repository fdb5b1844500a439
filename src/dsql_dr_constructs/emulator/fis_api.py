"""AWS FIS's REST API in front of `Fis`: which call a request is, what it needs from IAM, and its answer.

Source: https://docs.aws.amazon.com/fis/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import service_model
from .backup_records import Where
from .dsql_api import error_response
from .fis import Fis
from .fis_actions import ACTIONS, action_type, resource_type
from .fis_records import SERVICE, Asked, FisError, page

_Handler = Callable[[Fis, Where, Asked], dict[str, Any] | None]

_HANDLERS: dict[str, _Handler] = {
    "CreateExperimentTemplate": lambda fis, *asked: fis.templates.create(*asked),
    "GetExperimentTemplate": lambda fis, *asked: fis.templates.get(*asked),
    "ListExperimentTemplates": lambda fis, *asked: fis.templates.list(*asked),
    "UpdateExperimentTemplate": lambda fis, *asked: fis.templates.update(*asked),
    "DeleteExperimentTemplate": lambda fis, *asked: fis.templates.delete(*asked),
    "StartExperiment": lambda fis, *asked: fis.experiments.start(*asked),
    "StopExperiment": lambda fis, *asked: fis.experiments.stop(*asked),
    "GetExperiment": lambda fis, *asked: fis.experiments.get(*asked),
    "ListExperiments": lambda fis, *asked: fis.experiments.list(*asked),
    "ListExperimentResolvedTargets": lambda fis, *asked: fis.experiments.resolved_targets(*asked),
    "GetAction": lambda fis, where, asked: {"action": action_type(asked["id"]).described(where, fis.target_key)},
    "ListActions": lambda fis, where, asked: page(
        asked, "actions", [one.summary(where, fis.target_key) for one in ACTIONS.values()]
    ),
    "GetTargetResourceType": lambda fis, where, asked: {"targetResourceType": resource_type(asked["resourceType"])},
    "ListTagsForResource": lambda fis, where, asked: {"tags": fis.tags_of(where, asked["resourceArn"])},
    "TagResource": lambda fis, where, asked: fis.tags_of(where, asked["resourceArn"]).update(asked["tags"]),
    "UntagResource": lambda fis, where, asked: _untag(fis, where, asked),
}
_WITHOUT_RESOURCE = {"ListActions", "ListExperimentTemplates", "ListExperiments", "GetTargetResourceType"}
_HTTP_STATUS = {"ConflictException": 409, "ResourceNotFoundException": 404, "ServiceQuotaExceededException": 402}


@dataclass(frozen=True)
class FisCall:
    """A request, understood: *asked* has its parameters by the names that they have in the model."""

    name: str
    account: str
    region: str
    asked: dict[str, Any]

    @property
    def where(self) -> Where:
        return Where(self.account, self.region)

    @property
    def arns(self) -> list[str]:
        """What IAM checks; a call without a resource type has ``*``."""
        prefix, asked = f"arn:aws:fis:{self.region}:{self.account}", self.asked
        if self.name in _WITHOUT_RESOURCE:
            return ["*"]
        if "resourceArn" in asked:
            return [str(asked["resourceArn"])]
        if self.name == "StartExperiment":
            return [f"{prefix}:experiment-template/{asked.get('experimentTemplateId')}", f"{prefix}:experiment/*"]
        if self.name == "GetAction":
            return [f"{prefix}:action/{asked['id']}"]
        if self.name.endswith("ExperimentTemplate"):
            actions = {one.get("actionId") for one in (asked.get("actions") or {}).values()}
            template = f"{prefix}:experiment-template/{asked.get('id', '*')}"
            return [template, *(f"{prefix}:action/{one}" for one in sorted(map(str, actions)))]
        return [f"{prefix}:experiment/{asked.get('id') or asked.get('experimentId')}"]


def parse(
    method: str, path: str, query: dict[str, list[str]], body: bytes, account: str, region: str
) -> FisCall | None:
    """The call behind a request; None if AWS FIS has no such path, or the emulator does without it."""
    found = service_model.understood("fis", tuple(_HANDLERS), method, path, query, body)
    return FisCall(found[0], account, region, found[1]) if found else None


def permissions(call: FisCall) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each action, resource and condition context that IAM checks for *call*.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsfaultinjectionservice.html
    """
    tags = {f"aws:RequestTag/{key}": value for key, value in (call.asked.get("tags") or {}).items()}
    for arn in call.arns:
        yield f"fis:{call.name}", arn, tags
    if call.name in ("CreateExperimentTemplate", "StartExperiment") and tags:
        kind = "experiment" if call.name == "StartExperiment" else "experiment-template"
        yield "fis:TagResource", f"arn:aws:fis:{call.region}:{call.account}:{kind}/*", tags
    if "roleArn" in call.asked:
        yield "iam:PassRole", str(call.asked["roleArn"]), {"iam:PassedToService": SERVICE}


def answer(call: FisCall, fis: Fis) -> tuple[int, dict[str, str], bytes]:
    """Status code, headers and body."""
    try:
        with fis.settled():
            result = _HANDLERS[call.name](fis, call.where, call.asked)
    except FisError as error:
        return error_response(error.code, error.message, _HTTP_STATUS.get(error.code, 400))
    return 200, {"content-type": "application/json"}, json.dumps(result or {}).encode()


def unknown_operation(path: str) -> tuple[int, dict[str, str], bytes]:
    sentence = f"The local AWS emulator has no call of AWS FIS at {path}."
    return error_response("UnknownOperationException", sentence, 404)


def _untag(fis: Fis, where: Where, asked: Asked) -> None:
    tags = fis.tags_of(where, asked["resourceArn"])
    for key in asked.get("tagKeys") or list(tags):
        tags.pop(key, None)
