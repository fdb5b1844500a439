"""Whatever is given, to whichever parameter: it is taken, or a sentence names the parameter."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from itertools import count
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

import dsql_dr_constructs as library
from dsql_dr_constructs import (
    AlertingTopic,
    HealthMonitor,
    MultiRegionDsqlDr,
    RegionalCluster,
)

WRONG: tuple[Any, ...] = (
    2,
    -1,
    float("nan"),
    True,
    None,
    "x",
    "",
    b"x",
    ["a"],
    {"a": 1},
    {"a": "b"},
    object(),
    lambda: 1,
)

FITS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: value == 2 and value is not True,
    "float": lambda value: value in (2, -1),
    "bool": lambda value: value is True,
    "None": lambda value: value is None,
    "Sequence[str]": lambda value: value == ["a"],
    "Mapping[str, str]": lambda value: value == {"a": "b"},
    "Duration": lambda value: isinstance(value, cdk.Duration),
}
"""What an annotation lets through, said a second time and without the library; all others let nothing through."""


@pytest.fixture(scope="module")
def things() -> Things:
    return Things()


class Things:
    """Right values for what a parameter needs, by its name or its annotation, each made once and when it is used."""

    def __init__(self) -> None:
        self._numbers = count()
        app, self.apart = cdk.App(), cdk.App()
        self.stack, self.other = (
            cdk.Stack(app, region, env=cdk.Environment(account="111111111111", region=region))
            for region in ("us-east-1", "us-west-2")
        )

    def value(self, name: str, annotation: str, owner: str) -> Any:
        if name == "scope":
            if self.apart.node.children:  # each pair in an app of its own
                self.apart = cdk.App()
            return self.apart if owner.startswith("MultiRegion") else self.stack
        named: dict[str, Callable[[], Any]] = {
            "id": lambda: f"T{next(self._numbers)}",
            "deployment_name": lambda: f"t{next(self._numbers)}",
            "witness_region": lambda: "us-east-2",
            "peer": lambda: RegionalCluster(self.other, f"T{next(self._numbers)}", witness_region="us-east-2"),
            "name": lambda: f"t{next(self._numbers)}",
            "clusters": lambda: [self.one("cluster"), self.one("peer")],
            "address": lambda: "ops@example.com",
            "url": lambda: "https://example.com",
            "primary": lambda: "us-east-1",
            "secondary": lambda: "us-west-2",
            "witness": lambda: "us-east-2",
            "regions": lambda: ("us-east-1", "us-east-2", "us-west-2"),
            "actions": lambda: "dsql:GetCluster",
        }
        if name in named:
            return named[name]()
        by_annotation = {"str": "us-east-1", "float": 1, "iam.IGrantable": iam.ServicePrincipal("lambda.amazonaws.com")}
        return by_annotation[annotation] if annotation in by_annotation else self.one(name)

    @cache  # noqa: B019 - lives as long as the module
    def one(self, what: str) -> Any:
        stack = self.stack
        made: dict[str, Callable[[], Any]] = {
            "cluster": lambda: RegionalCluster(stack, "Cluster", witness_region="us-east-2"),
            "peer": lambda: RegionalCluster(self.other, "Peer", witness_region="us-east-2"),
            "monitor": lambda: HealthMonitor(
                stack, "Monitor", deployment_name="m", clusters=[self.one("cluster"), self.one("peer")]
            ),
            "queue": lambda: sqs.Queue(stack, "Queue"),
            "function": lambda: lambda_.Function.from_function_arn(
                stack, "Function", f"arn:aws:lambda:us-east-1:{stack.account}:function:f"
            ),
            "vpc": lambda: ec2.Vpc(stack, "Vpc"),
        }
        return made[what]()

    @cache  # noqa: B019
    def instance(self, owner: type) -> Any:
        if owner is AlertingTopic:
            return AlertingTopic(self.stack, "Topic")
        if owner is MultiRegionDsqlDr:
            return MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=False)
        return self.one("monitor" if owner is HealthMonitor else "cluster")


def callables() -> Iterator[tuple[type | None, str]]:
    """Every public callable of the package that this library defines, once."""
    seen = set()
    for name in library.__all__:
        found = getattr(library, name)
        if inspect.isclass(found) and not issubclass(found, dict):
            for attribute in sorted({name for one in found.__mro__ for name in vars(one)}):
                function = inspect.unwrap(getattr(found, attribute, None))  # type: ignore[arg-type]
                public = attribute == "__init__" or not attribute.startswith("_")
                if public and inspect.isfunction(function) and _ours(found, function) and function not in seen:
                    seen.add(function)
                    yield found, attribute
        elif inspect.isfunction(found):
            yield None, name


def _ours(found: type, function: Any) -> bool:
    return function.__module__.startswith("dsql_dr_constructs") or hasattr(found, "__dataclass_fields__")


def calls(things: Things, owner: type | None, name: str) -> Iterator[tuple[str, str, Any, Callable[[], Any]]]:
    """Each parameter with each wrong value, all others right; with what makes the call."""
    function = getattr(owner or library, name)
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    for under_test in parameters:
        annotation = str(under_test.annotation)
        for value in [*WRONG, *odd(annotation, under_test.default)]:
            if (value is None is under_test.default) or (value is True and annotation == "bool"):
                continue  # nothing to find out

            def call(under_test: inspect.Parameter = under_test, value: Any = value) -> Any:
                arguments = {
                    one.name: things.value(one.name, str(one.annotation), owner.__name__ if owner else name)
                    for one in parameters
                    if one.default is one.empty
                }
                if owner is MultiRegionDsqlDr and name == "__init__":
                    arguments["monitoring"] = False  # MultiRegionMonitoring has the same parameters, in half the time
                arguments[under_test.name] = value
                rest = [arguments.pop(one.name) for one in parameters if one.kind is one.VAR_POSITIONAL]
                positional = [arguments.pop(one.name) for one in parameters if rest and one.name in arguments]
                made = owner if name == "__init__" else None
                bound = made or (getattr(things.instance(owner), name) if owner else function)
                return bound(*positional, *rest, **arguments)

            yield under_test.name, annotation, value, call


def odd(annotation: str, default: Any) -> Iterator[Any]:
    """Of the right type, and often no value that AWS or the CDK would take."""
    if "Duration" in annotation:
        yield from (cdk.Duration.millis(1), cdk.Duration.seconds(7), cdk.Duration.days(1000))
    if isinstance(default, Enum):
        yield from list(type(default))[:8]


def fits(value: Any, annotation: str, name: str) -> bool:
    if isinstance(value, Enum):
        return type(value).__name__ in annotation
    return any(FITS.get(one, lambda _: False)(value) for one in annotation.split(" | "))


def names(sentence: str, parameter: str) -> bool:
    """Whether the words of the parameter stand in the sentence: ``timeout`` of a peering, an ``email`` of emails."""
    said = re.sub(r"'s\b|[^a-z0-9]+", " ", sentence.lower())
    return all(word.removesuffix("s") in said for word in parameter.split("_"))


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(*one, id=".".join([one[0].__name__ if one[0] else "", one[1]])) for one in callables()],
)
def test_whatever_is_given_is_taken_or_a_sentence_names_the_parameter(
    things: Things, owner: type | None, name: str
) -> None:
    wrong = []
    for parameter, annotation, value, call in calls(things, owner, name):
        try:
            call()
        except ValueError as error:
            if not (names(str(error), parameter) and str(error).endswith(".")):
                wrong.append(f"{parameter}={value!r}: {error}")
        except Exception as error:  # what must not be
            wrong.append(f"{parameter}={value!r}: {type(error).__name__}: {str(error)[:300]}")
        else:
            if not fits(value, annotation, parameter):
                wrong.append(f"{parameter}={value!r} was taken")
    assert not wrong, "\n".join(wrong)
