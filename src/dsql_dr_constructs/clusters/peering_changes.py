"""What makes CloudFormation run a peering again."""

from __future__ import annotations

import hashlib
import json
import os
import time

import jsii
from aws_cdk import IStableStringProducer

from .peered_sides import Side


@jsii.implements(IStableStringProducer)
class Fingerprint:
    """Changes whenever a property of one of the clusters does, so that CloudFormation runs the peering again."""

    def __init__(self, *clusters: Side) -> None:
        self._clusters = clusters

    def produce(self) -> str:
        properties = []
        for cluster in self._clusters:
            stack = cluster._stack
            properties.append(stack.resolve([stack.stack_name, *cluster._changes()]))
        return hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:16]


def synthesis_time() -> str:
    """Now, or the time that reproducible builds set.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return os.environ.get("SOURCE_DATE_EPOCH") or str(int(time.time()))
