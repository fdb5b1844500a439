"""When a Region of a pair is unhealthy for Route 53."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments import check_fields


@dataclass(frozen=True, kw_only=True)
class FailoverOptions:
    """Health checks of a pair: a Region is unhealthy while enough observers see its cluster down, or it is evacuated.

        FailoverOptions(unhealthy_observers=1)

    Args:
        unhealthy_observers: Number of observing Regions that must see the cluster of a Region down; one that puts no
            data counts as one that does. Default: more than half of them: both of two, two of three.
        unhealthy_without_data: Whether a Region is unhealthy while its own monitor puts no data, whatever the others
            see, since users who are sent there need more of the Region than the cluster. Default: True.

    Raises:
        ValueError: a field has a value of another type, or *unhealthy_observers* is less than 1.
    """

    unhealthy_observers: int | None = None
    unhealthy_without_data: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if self.unhealthy_observers is not None and self.unhealthy_observers < 1:
            raise ValueError(
                f"unhealthy_observers is {self.unhealthy_observers}: a number of observing Regions from 1 on is "
                "needed; or leave it out for more than half of them."
            )
