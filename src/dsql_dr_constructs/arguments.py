"""What callers give is compared with the annotations first: a wrong value ends in a sentence, not in a trace."""

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


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A public callable that refuses what its annotations do not allow, before it does anything.

    It raises ``ValueError`` for a wrong type, too, so that whoever gives a wrong value has one kind of error to expect.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        signature = _signature(function)
        given = {**dict(signature.bind(args)), **kwargs}
        found = first_problem([(name, given[name], hint) for name, hint in signature.hints.items() if name in given])
        empty = next((name for name in signature.never_empty if given.get(name) == ""), None)
        if empty and not found:
            found = f"{empty} is '': a string that is not empty is needed"
        if found:
            raise ValueError(f"In {signature.called(given)}, {found}.")
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:  # the CDK's, with a trace of Node
            if refused := _refused(error, given):
                raise ValueError(f"In {signature.called(given)}, {refused}.") from error
            raise

    return call


def check_fields(of: Any) -> None:
    """The same for a dataclass, from its ``__post_init__``.

    Raises:
        ValueError: a field has a value that its annotation does not allow.
    """
    kind: Any = type(of)
    found = first_problem([(name, getattr(of, name), hint) for name, hint in hints_of(kind).items()])
    if found:
        raise ValueError(f"In {kind.__name__}, {found}.")


class _Signature(NamedTuple):
    owner: str
    positional: Sequence[str]
    rest: str | None
    hints: Mapping[str, Any]
    never_empty: Sequence[str]
    """Parameters that None does not leave out, and so neither does an empty string."""

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
        never_empty=[one.name for one in parameters if one.default is not None],
    )


def _refused(error: RuntimeError, given: Mapping[str, Any]) -> str | None:
    """What the CDK has against a value, and only Node can tell: asked beforehand, each would be a call more."""
    periods = [name for name, value in given.items() if isinstance(value, Duration)]
    if periods and re.search("'period' must be|whole number of seconds", str(error)):
        is_now = [f"{name} is {given[name].to_human_string()}" for name in periods]
        return f"{' and '.join(is_now)}: 1, 5, 10, 20, 30 or a multiple of 60 seconds is needed"
    if "scope" in given and re.search("no [Ss]tack (found|could be identified)", str(error), re.I):
        return f"scope is {shown(given['scope'])}: a Stack, or a construct in one, is needed"
    return None
