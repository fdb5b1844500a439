"""Behaviour that AWS does not document, with one choice for each question; stacks should work with every choice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_CHOICES: dict[str, tuple[Any, ...]] = {
    "update_without_clusters": ("keep", "drop"),
    "empty_clusters": ("remove", "refuse", "ignore"),
    "witness_change": ("allow", "refuse"),
    "delete_mode": ("wait", "return"),
    "tags_across_regions": (True, False),
    "endpoint_before_active": (True, False),
    "allowed_pattern": ("value", "name"),
    "woken_by": ("login", "connection"),
    "idle_backup": ("fail", "retry"),
    "connection_failure": ("connection", "login"),
    "stop_alarm_without_data": ("fail", "run"),
    "fis_target_key": ("Clusters", "clusters"),
    "route53_missing_data": ("health-check", "alarm"),
}


@dataclass(frozen=True)
class Undocumented:
    """The choices; `AwsEmulator` describes each of them.

    Raises:
        ValueError: a choice is not among the allowed ones.
    """

    update_without_clusters: str = "keep"
    empty_clusters: str = "remove"
    witness_change: str = "allow"
    delete_mode: str = "wait"
    tags_across_regions: bool = True
    endpoint_before_active: bool = True
    allowed_pattern: str = "value"
    woken_by: str = "login"
    idle_backup: str = "fail"
    connection_failure: str = "connection"
    stop_alarm_without_data: str = "fail"
    fis_target_key: str = "Clusters"
    route53_missing_data: str = "health-check"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value not in _CHOICES[name]:
                allowed = ", ".join(str(one) for one in _CHOICES[name])
                raise ValueError(f"{name} is {value!r}: one of {allowed} is allowed.")
