"""What AWS does not document, and a stack should therefore survive either way: one choice for each question."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_CHOICES: dict[str, tuple[Any, ...]] = {
    "update_without_clusters": ("keep", "drop"),
    "empty_clusters": ("take", "refuse", "ignore"),
    "witness_change": ("work", "refuse"),
    "delete_mode": ("wait", "return"),
    "tags_across_regions": (True, False),
    "endpoint_before_active": (True, False),
    "allowed_pattern": ("value", "name"),
}


@dataclass(frozen=True)
class Undocumented:
    """The choices; `AwsEmulator` says what each of them means.

    Raises:
        ValueError: a choice that is not among the possible ones.
    """

    update_without_clusters: str = "keep"
    empty_clusters: str = "take"
    witness_change: str = "work"
    delete_mode: str = "wait"
    tags_across_regions: bool = True
    endpoint_before_active: bool = True
    allowed_pattern: str = "value"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value not in _CHOICES[name]:
                allowed = ", ".join(str(one) for one in _CHOICES[name])
                raise ValueError(f"{name} is {value!r}: one of {allowed} is allowed.")
