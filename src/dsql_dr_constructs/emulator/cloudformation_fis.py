"""CloudFormation's handler for ``AWS::FIS::ExperimentTemplate``.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-fis-experimenttemplate.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from . import service_model
from .backup_records import Where
from .fis import Fis
from .fis_records import Asked, FisError

_OTHER_NAMES = {"ExperimentReportS3Configuration": "s3Configuration"}
"""Properties that the API has by another name."""

Done = tuple[str, dict[str, Any]]


class ExperimentTemplateHandler:
    """A template is updated in place, except for a change of AccountTargeting, which the emulator has not.

    Args:
        fis: The service.
        where: Gives the account and the Region of the stack at work.
    """

    def __init__(self, fis: Fis, where: Callable[[], tuple[str, str]]) -> None:
        self._fis = fis
        self._where = where

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Done:
        for one in ("Description", "RoleArn", "StopConditions", "Targets"):
            if one not in properties:
                raise RuntimeError(f"Model validation failed (#: required key [{one}] not found)")
        asked = {"clientToken": str(uuid.uuid4()), **_asked("CreateExperimentTemplate", properties)}
        return _done(self._ask(self._fis.templates.create, asked))

    def update(self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Done:
        asked = _asked("CreateExperimentTemplate", new)
        tags = asked.pop("tags", {})
        asked = {"logConfiguration": {}, "experimentReportConfiguration": {}, "id": identifier, **asked}
        asked.get("experimentOptions", {}).pop("accountTargeting", None)
        done = _done(self._ask(self._fis.templates.update, asked))
        with self._fis.settled():
            kept = self._fis.templates.find(Where(*self._where()), identifier).tags
            for key in old.get("Tags") or {}:
                kept.pop(key, None)
            kept.update(tags)
        return done

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        with self._fis.settled():
            exists = any(one.identifier == identifier for one in self._fis.templates)
        if exists:
            self._ask(self._fis.templates.delete, {"id": identifier})

    def _ask(self, call: Callable[[Where, Asked], Asked], asked: Asked) -> Asked:
        with self._fis.settled():
            try:
                return call(Where(*self._where()), asked)
            except FisError as error:
                raise RuntimeError(
                    f'Resource handler returned message: "{error.message} (Service: Fis, Status Code: 400)" '
                    f"(HandlerErrorCode: {error.code.removesuffix('Exception')})"
                ) from error


def _done(answer: Asked) -> Done:
    identifier = answer["experimentTemplate"]["id"]
    return identifier, {"Id": identifier}


def _asked(call: str, properties: dict[str, Any]) -> Asked:
    asked: Asked = _for_api(properties, service_model.input_shape("fis", call))
    return asked


def _for_api(value: Any, shape: Any) -> Any:
    """*value* of a template with the names that the API has, and its types, as CloudFormation converts them."""
    if shape.type_name == "structure":
        members = {name[0].upper() + name[1:]: name for name in shape.members} | _OTHER_NAMES
        if unknown := sorted(set(value) - {name for name, one in members.items() if one in shape.members}):
            raise RuntimeError(f"Model validation failed (#: extraneous key [{unknown[0]}] is not permitted)")
        return {members[name]: _for_api(one, shape.members[members[name]]) for name, one in value.items()}
    if shape.type_name == "map":
        return {key: _for_api(one, shape.value) for key, one in value.items()}
    if shape.type_name == "list":
        return [_for_api(one, shape.member) for one in value]
    if shape.type_name == "string" and not isinstance(value, str):
        return json.dumps(value)
    return int(value) if shape.type_name == "integer" else value
