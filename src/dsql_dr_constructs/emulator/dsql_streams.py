"""Change data capture of a cluster, as far as its API shows it: nothing is delivered.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_CreateStream.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .dsql import Dsql
from .dsql_cluster import Cluster, DsqlError, new_identifier, not_found


@dataclass
class Stream:
    """One stream, ACTIVE from *starts* on, and gone from *ends* on."""

    cluster: Cluster
    request: dict[str, Any]
    starts: float
    ends: float | None = None
    created: float = field(default_factory=time.time)
    identifier: str = field(default_factory=new_identifier)

    @property
    def arn(self) -> str:
        return f"{self.cluster.arn}/stream/{self.identifier}"

    @property
    def tags(self) -> dict[str, str]:
        tags: dict[str, str] = self.request.setdefault("tags", {})
        return tags

    def status(self, now: float) -> str:
        return "DELETING" if self.ends is not None else "ACTIVE" if now >= self.starts else "CREATING"


def create_stream(dsql: Dsql, cluster: Cluster, request: dict[str, Any]) -> Stream:
    """Assumed: a cluster has streams once it serves."""
    if not cluster.has_served:
        cluster.refuse_while({cluster.status})
    stream = Stream(cluster, request, dsql.clock() + dsql.transition_seconds)
    cluster.streams[stream.identifier] = stream
    return stream


def streams(dsql: Dsql, cluster: Cluster) -> list[Stream]:
    cluster.streams = {
        name: one for name, one in cluster.streams.items() if one.ends is None or one.ends > dsql.clock()
    }
    return list(cluster.streams.values())


def get_stream(dsql: Dsql, cluster: Cluster, identifier: str) -> Stream:
    for stream in streams(dsql, cluster):
        if stream.identifier == identifier:
            return stream
    raise not_found("stream", identifier)


def delete_stream(dsql: Dsql, cluster: Cluster, identifier: str) -> Stream:
    stream = get_stream(dsql, cluster, identifier)
    status = stream.status(dsql.clock())
    if status != "ACTIVE":
        raise DsqlError("ConflictException", f"Stream {identifier} is {status}: try again later.")
    stream.ends = dsql.clock() + dsql.transition_seconds
    return stream


def summary(dsql: Dsql, stream: Stream) -> dict[str, Any]:
    """What every answer about a stream has."""
    return {
        "clusterIdentifier": stream.cluster.identifier,
        "streamIdentifier": stream.identifier,
        "arn": stream.arn,
        "status": stream.status(dsql.clock()),
        "creationTime": stream.created,
    }


def shape(stream: Stream) -> dict[str, Any]:
    """What only the answers to its creation and to GetStream have."""
    return {key: stream.request[key] for key in ("ordering", "format")}
