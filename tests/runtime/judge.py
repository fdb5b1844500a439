"""Hand-made clients, judged by AWS's own models: each request and each answer as botocore's current data has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel, ServiceModel
from botocore.session import get_session
from botocore.validate import ParamValidator


@dataclass(frozen=True)
class Call:
    """One request as the code made it; *effect* is what a test's AWS adds, for example which peers it adds."""

    service: str
    operation: str
    region: str
    arguments: Mapping[str, Any]
    effect: Mapping[str, Any] = field(default_factory=dict)


@cache
def service_model(service: str) -> ServiceModel:
    return get_session().get_service_model(service)


@cache
def _operations(service: str) -> dict[str, OperationModel]:
    """By the name of the client's method."""
    model = service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def judged(service: str, methods: Mapping[str, Callable[..., Any]]) -> Any:
    """A client of *service* with *methods*, which refuses what AWS would not understand or not answer."""

    def wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        operation = _operations(service)[name]

        def call(**arguments: Any) -> Any:
            _hold(f"request of {operation.name}", arguments, operation.input_shape)
            answer = method(**arguments)
            promised = {name: value for name, value in (answer or {}).items() if name != "ResponseMetadata"}
            _hold(f"answer of {operation.name}", promised, operation.output_shape)
            return answer

        return call

    return SimpleNamespace(**{name: wrap(name, method) for name, method in methods.items()})


def operation_name(service: str, method: str) -> str:
    return str(_operations(service)[method].name)


def hold_answer(service: str, operation: str, answer: Mapping[str, Any]) -> None:
    """
    Raises:
        AssertionError: *answer* is not what the model of *service* promises.
    """
    _hold(f"answer of {operation}", answer, service_model(service).operation_model(operation).output_shape)


def _hold(what: str, value: Mapping[str, Any], shape: Any) -> None:
    if shape is None:
        assert not value, f"{what} has no members, and got {value}"
        return
    unknown = set(value) - set(shape.members)
    assert not unknown, f"{what} has unknown members {sorted(unknown)}"
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
