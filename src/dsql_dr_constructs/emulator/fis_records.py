"""What AWS FIS keeps, and the errors of its API.

Source: https://docs.aws.amazon.com/fis/latest/APIReference/API_Types.html
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .backup_records import Check, Where

SERVICE = "fis.amazonaws.com"
ENDED = ("completed", "stopped", "failed", "cancelled")
"""States that an experiment never leaves."""

Asked = dict[str, Any]
"""Parameters of a call, by their names in the model."""


class FisError(Exception):
    """An error of the API of AWS FIS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> FisError:
    return FisError("ValidationException", message)


def not_found(kind: str, identifier: str) -> FisError:
    return FisError("ResourceNotFoundException", f"The {kind} {identifier} does not exist.")


class Roles(Protocol):
    """Whether AWS FIS may use a role: `FisRoles`. Each answer is the reason why not, or None."""

    def untrusted(self, role: str, experiment_arn: str) -> str | None: ...

    def denied(self, role: str, checks: Iterable[Check]) -> str | None: ...


class Alarms(Protocol):
    """Alarms of CloudWatch: `FisAlarms`."""

    def state(self, arn: str) -> str | None:
        """Its state; None if there is no such alarm."""

    def is_composite(self, arn: str) -> bool:
        """Whether it is a composite alarm."""


@dataclass
class Template:
    """An experiment template; *asked* has its parameters as CreateExperimentTemplate takes them."""

    where: Where
    identifier: str
    asked: Asked
    tags: dict[str, str]
    created: float
    updated: float

    @property
    def arn(self) -> str:
        return f"arn:aws:fis:{self.where.region}:{self.where.account}:experiment-template/{self.identifier}"


@dataclass
class Action:
    """One action of an experiment, on its way."""

    name: str
    asked: Asked
    status: str = "pending"
    reason: str = "Initial state"
    started: float | None = None
    ended: float | None = None
    due: float | None = None
    """When it ends by itself."""
    faults: list[str] = field(default_factory=list)
    """Names of the faults that hold while it runs."""


@dataclass
class Experiment:
    """One run of a template; *asked* has the template's parameters as they were when it began."""

    where: Where
    identifier: str
    template_id: str
    asked: Asked
    tags: dict[str, str]
    mode: str
    created: float
    due: float | None
    """When a state that ends by itself is over."""
    actions: dict[str, Action]
    status: str = "initiating"
    reason: str = "Experiment is initiating."
    error: dict[str, str] | None = None
    started: float | None = None
    ended: float | None = None
    resolved: dict[str, list[str]] = field(default_factory=dict)
    """ARNs by the name of the target."""
    report: dict[str, Any] | None = None
    final_reason: str = ""
    """Why it was stopped, once it is."""

    @property
    def arn(self) -> str:
        return f"arn:aws:fis:{self.where.region}:{self.where.account}:experiment/{self.identifier}"

    @property
    def role(self) -> str:
        return str(self.asked["roleArn"])

    @property
    def stop_alarms(self) -> list[str]:
        """ARNs of the alarms of its stop conditions."""
        return [one["value"] for one in self.asked["stopConditions"] if one["source"] != "none"]

    @property
    def skips_empty_targets(self) -> bool:
        return bool(self.asked["experimentOptions"]["emptyTargetResolutionMode"] == "skip")


def new_identifier(prefix: str) -> str:
    """As templates (``EXT``) and experiments (``EXP``) have it."""
    return prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(15))


def page(asked: Mapping[str, Any], name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """As many entries as were asked for; the token is where the next answer begins."""
    token, size = str(asked.get("nextToken") or "0"), int(asked.get("maxResults") or 100)
    if not token.isdigit():
        raise invalid(f"nextToken is {token}, which was never given.")
    begin, end = int(token), int(token) + size
    entries: dict[str, Any] = {name: found[begin:end]}
    return {**entries, "nextToken": str(end)} if end < len(found) else entries
