"""What drills leave when they are killed, and the end of their experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnection

from ..runtime.aws_errors import is_transient
from . import drill_template
from .aws_session import Client
from .drill_template import COPY_TAG
from .drill_times import DrillTime

_Answer = TypeVar("_Answer")

ENDED = {"completed", "stopped", "failed", "cancelled"}
"""States of an experiment in which nothing of it goes on.

Source: https://docs.aws.amazon.com/fis/latest/APIReference/API_ExperimentState.html
"""
_PATIENCE = 600.0
"""Seconds until an experiment that was stopped has to have ended, and in which a call is sent again."""


@dataclass(frozen=True)
class Experiment:
    """One that is running, as ListExperiments has it."""

    region: str
    found: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.found["id"])

    @property
    def age(self) -> tuple[Any, str]:
        """Of several at once, that with the smallest goes on."""
        return self.found["creationTime"], self.id

    def is_of(self, deployment: str) -> bool:
        """Whether it is a drill of *deployment*."""
        return drill_template.is_of(deployment, self.found.get("tags", {}))

    def __str__(self) -> str:
        return f"{self.id} in {self.region}"


@dataclass(frozen=True)
class Copy:
    """A template that one drill made for itself."""

    region: str
    id: str

    def __str__(self) -> str:
        return f"template {self.id} in {self.region}"


def running(region: str, client: Client) -> Iterator[Experiment]:
    """Experiments of everybody in *region* that have not ended."""
    for page in client("fis", region).get_paginator("list_experiments").paginate():
        for one in page["experiments"]:
            if one["state"]["status"] not in ENDED:
                yield Experiment(region, one)


def copies(deployment: str, regions: Iterable[str], client: Client) -> Iterator[Copy]:
    """Temporary templates of drills of *deployment*."""
    for region in regions:
        for one in drill_template.listed(deployment, client("fis", region)):
            if COPY_TAG in one["tags"]:
                yield Copy(region, one["id"])


def delete_copies(found: Iterable[Copy], client: Client) -> Iterator[str]:
    """Sentences for those that are left."""
    for one in found:
        fis = client("fis", one.region)
        try:
            fis.delete_experiment_template(id=one.id)
        except (BotoCoreError, ClientError) as error:
            if not (isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException"):
                yield f"{one.id}, a temporary experiment template in {one.region}, could not be deleted: {error}"


def stop(experiment: str, region: str, client: Client, time: DrillTime) -> str:
    """Stop it, whatever its state is, and wait until it has ended; a sentence if it has not."""
    fis, refused = client("fis", region), ""
    try:
        insist(lambda: fis.stop_experiment(id=experiment), time)
    except (BotoCoreError, ClientError) as error:
        refused = f" It could not be stopped: {error}"
    until, state = time.now() + time.real(_PATIENCE), "not known"
    while time.now() < until:
        try:
            state = insist(lambda: fis.get_experiment(id=experiment), time)["experiment"]["state"]["status"]
        except (BotoCoreError, ClientError) as error:
            refused += f" It could not be read: {error}"
        if state in ENDED:
            return ""
        if refused:
            break
        time.pause(2)
    return (
        f"Experiment {experiment} in {region} has not ended, or that is not known, so its fault may last for its whole "
        f"duration.{refused} Stop it: aws fis stop-experiment --id {experiment} --region {region}"
    )


def insist(call: Callable[[], _Answer], time: DrillTime) -> _Answer:
    """What *call* answers; it is sent again for minutes while AWS throttles it, fails itself, or cannot be reached."""
    until = time.now() + time.real(_PATIENCE)
    while True:
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            if not passes(error) or time.now() >= until:
                raise
        time.pause(2)


def passes(error: BotoCoreError | ClientError) -> bool:
    """Whether another try may be answered."""
    return (
        is_transient(error) if isinstance(error, ClientError) else isinstance(error, (HTTPClientError, BotoConnection))
    )
