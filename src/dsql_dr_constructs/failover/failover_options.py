"""When a Region of a pair is unhealthy for Route 53."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments import check_fields


@dataclass(frozen=True, kw_only=True)
class FailoverOptions:
    """Health checks of a pair: a Region is unhealthy while its cluster is down, or it is evacuated.

        FailoverOptions(unhealthy_without_data=False)

    It is down when more than half of the observing Regions see it down, both of two and two of three; one that puts no
    data counts as one that does. Fewer would let a Region that is lost take the other one out of service, too.

    Args:
        unhealthy_without_data: Whether a Region is unhealthy while its own monitor puts no data, whatever the others
            see, since users who are sent there need more of the Region than the cluster. False: it counts as
            one that sees the cluster down, and no more. Default: True.

    Raises:
        ValueError: a field has a value of another type.
    """

    unhealthy_without_data: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
