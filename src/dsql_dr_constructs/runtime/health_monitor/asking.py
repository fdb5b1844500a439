"""Calls AWS, and sorts what can go wrong: no answer, one that may change, or an error of the monitor's own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from ..aws_errors import is_transient
from .retries import MonitorError, NoAnswer, NotAllowedYet, TransientlyUnreachable

_ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})
_NOT_FOUND = frozenset({"ResourceNotFoundException", "NotFound", "NotFoundException", "ParameterNotFound"})
"""As DSQL, SNS, KMS and SSM call it."""


Ask = Callable[[str, Callable[[], Any]], Any]
"""`ask` with the third argument given."""


class NotFound(MonitorError):  # noqa: N818 - an answer
    """An answer where the resource may be deleted, else an error of the monitor."""


class Denied(MonitorError):  # noqa: N818 - an answer
    """A refusal that may be AWS's answer for a resource that does not exist, else an error of the monitor."""


@dataclass(frozen=True)
class Finding:
    """What a check of something else than a cluster found.

    Args:
        healthy: None if it could not be asked.
        problems: A sentence for everything that is not as it should be.
        unanswered: A sentence for everything that could not be asked.
    """

    healthy: bool | None
    problems: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


def ask(what: str, call: Callable[[], Any], *, permissions_are_new: bool) -> Any:
    """The answer of *call*. No answer, and a fault inside AWS, are the other side's fault, all else is the monitor's.

    Args:
        what: The call and its Region, for the error message.
        call: Calls AWS once.
        permissions_are_new: Whether a refusal may be over at the next try.

    Raises:
        TransientlyUnreachable: there was no answer, or one that another try may change.
        NotFound: what was asked for does not exist.
        Denied: the call was refused for a missing permission.
        MonitorError: the call was refused, or could not be sent.
    """
    try:
        return call()
    except ClientError as error:
        answer = error.response.get("Error", {})
        code = answer.get("Code", "no code")
        said = f"{code}: {answer.get('Message', '')}"
        if code in _NOT_FOUND:
            raise NotFound(f"{what}: {said}") from error
        if code in _ACCESS_DENIED:
            if permissions_are_new:
                raise NotAllowedYet(said) from error
            raise Denied(f"{what} was refused: {said}") from error
        if is_transient(error):
            raise TransientlyUnreachable(said) from error
        raise MonitorError(f"{what} was refused: {said}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise NoAnswer(f"no answer ({error})") from error
    except BotoCoreError as error:
        raise MonitorError(f"{what} could not be asked: {error}") from error


@contextmanager
def kept(errors: list[MonitorError], what: str) -> Iterator[None]:
    """Adds what goes wrong to *errors*, so that the rest of the run goes on, and is reported."""
    try:
        yield
    except MonitorError as error:
        errors.append(error)
    except Exception as error:
        errors.append(_unforeseen(what, error))
        errors[-1].__cause__ = error


def result(what: str, future: Future[Any], late: Any) -> Any:
    """What *future* gave; *late* if it has not ended."""
    if not future.done() or future.cancelled():
        return late
    error = future.exception()
    if error and not isinstance(error, Exception):  # SystemExit in a thread must not end the run without its line
        raise _unforeseen(what, error) from error
    return future.result()


def _unforeseen(what: str, error: BaseException) -> MonitorError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
    return MonitorError(f"{what} ended in {type(error).__name__}: {error} ({where})")
