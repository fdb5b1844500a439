"""What makes CloudFormation run a peering again."""

from __future__ import annotations

import hashlib
import json
import os
import time

import jsii
from aws_cdk import IStableStringProducer

from .regional_cluster import RegionalCluster


@jsii.implements(IStableStringProducer)
class Fingerprint:
    """Changes whenever a property of one of the clusters does, so that CloudFormation runs the peering again."""

    def __init__(self, *clusters: RegionalCluster) -> None:
        self._clusters = clusters

    def produce(self) -> str:
        properties = []
        for cluster in self._clusters:
            resource, stack = cluster.resource, cluster._stack
            raw = [
                stack.stack_name,
                resource.logical_id,
                resource.deletion_protection_enabled,
                resource.kms_encryption_key,
                resource.multi_region_properties,
                resource.policy_document,
                resource.cdk_tag_manager.render_tags(),
            ]
            properties.append(stack.resolve(raw))
        return hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:16]


def synthesis_time() -> str:
    """Now, or the time that reproducible builds set.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return os.environ.get("SOURCE_DATE_EPOCH") or str(int(time.time()))
