"""Arguments are compared with their annotations first: a wrong value ends in a sentence, not in a stack trace."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from types import GenericAlias
from typing import Any, NamedTuple, ParamSpec, TypeVar

from aws_cdk import Duration

from .argument_types import first_problem, hints_of, shown

_P = ParamSpec("_P")
_R = TypeVar("_R")
_SYNTHESIZER = "give a DefaultStackSynthesizer, a subclass of it or another with reusable_bind, or None"


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A public callable that refuses what its annotations do not allow, before it does anything.

    It raises ``ValueError`` for a wrong type, too, so that every wrong value raises the same kind of error.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        signature = _signature(function)
        given = {**dict(signature.bind(args)), **kwargs}
        found = first_problem([(name, given[name], hint) for name, hint in signature.hints.items() if name in given])
        empty = next((name for name in signature.hints if given.get(name) == ""), None)
        if empty and not found:
            found = _empty(empty)
        if found:
            raise ValueError(f"In {signature.called(given)}, {found}.")
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:  # the CDK's, with a stack trace of Node
            if refused := _refused(error, given):
                raise ValueError(f"In {signature.called(given)}, {refused}.") from error
            raise

    return call


def check_fields(of: Any) -> None:
    """Refuse fields of a dataclass in the same way; called by its ``__post_init__``.

    Raises:
        ValueError: a field has a value that its annotation does not allow.
    """
    kind: Any = type(of)
    hints = hints_of(kind)
    found = first_problem([(name, getattr(of, name), hint) for name, hint in hints.items()])
    empty = next((name for name in hints if getattr(of, name) == ""), None)
    found = found or (_empty(empty) if empty else None)
    if found:
        raise ValueError(f"In {kind.__name__}, {found}.")


def _empty(name: str) -> str:
    return f"{name} is '': a string that is not empty is needed"


class _Signature(NamedTuple):
    owner: str
    positional: Sequence[str]
    rest: str | None
    hints: Mapping[str, Any]

    def called(self, given: Mapping[str, object]) -> str:
        """A construct by its class and id, anything else by its name."""
        id = given.get("id")
        return f"{self.owner} {id!r}" if "." not in self.owner and id and isinstance(id, str) else self.owner

    def bind(self, args: Sequence[object]) -> Iterator[tuple[str, object]]:
        yield from zip(self.positional, args, strict=False)
        if self.rest:
            yield self.rest, args[len(self.positional) :]


@cache
def _signature(function: Callable[..., Any]) -> _Signature:
    parameters = inspect.signature(function).parameters.values()
    hints = {name: hint for name, hint in hints_of(function).items() if name != "return"}
    rest = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), None)
    if rest:
        hints[rest] = GenericAlias(tuple, (hints[rest], ...))
    return _Signature(
        owner=function.__qualname__.removesuffix(".__init__"),
        positional=[one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD],
        rest=rest,
        hints=hints,
    )


def _refused(error: RuntimeError, given: Mapping[str, Any]) -> str | None:
    """A sentence for a value that only the CDK can refuse; to check it beforehand would need another call to Node."""
    periods = [name for name, value in given.items() if isinstance(value, Duration)]
    if periods and re.search("'period' must be|whole number of seconds", str(error)):
        is_now = [f"{name} is {given[name].to_human_string()}" for name in periods]
        return f"{' and '.join(is_now)}: 1, 5, 10, 20, 30 or a multiple of 60 seconds is needed"
    if "can only be used for one Stack" in str(error):
        return f"the synthesizer serves one Stack only, and a pair has several: {_SYNTHESIZER}"
    if "Cannot add assets to a Stack" in str(error):
        return f"the synthesizer of the stack takes no assets, and the code of a Lambda function is one: {_SYNTHESIZER}"
    if "scope" in given and re.search("no [Ss]tack (found|could be identified)", str(error), re.I):
        return f"scope is {shown(given['scope'])}: a Stack, or a construct in one, is needed"
    return None
