"""What drills leave when they are killed, and the end of their experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import drill_template
from .aws_session import Client
from .drill_template import COPY_TAG
from .drill_times import DrillTime

ENDED = {"completed", "stopped", "failed", "cancelled"}
"""States of an experiment in which nothing of it goes on.

Source: https://docs.aws.amazon.com/fis/latest/APIReference/API_ExperimentState.html
"""
_PATIENCE = 600.0
"""Seconds until an experiment that was stopped has to have ended."""


@dataclass(frozen=True)
class Experiment:
    """One that is running, as ListExperiments has it."""

    region: str
    found: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.found["id"])

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
    """Stop it, and wait until it has ended; a sentence if it has not."""
    fis = client("fis", region)
    where = f"Experiment {experiment} in {region}"
    try:
        if fis.get_experiment(id=experiment)["experiment"]["state"]["status"] in ENDED:
            return ""
        fis.stop_experiment(id=experiment)
    except (BotoCoreError, ClientError) as error:
        return f"{where} could not be stopped, so its fault ends at its duration: {error}"
    until = time.now() + time.real(_PATIENCE)
    while time.now() < until:
        try:
            if fis.get_experiment(id=experiment)["experiment"]["state"]["status"] in ENDED:
                return ""
        except (BotoCoreError, ClientError) as error:
            return f"{where} was stopped, and whether it has ended is not known: {error}"
        time.pause(2)
    return f"{where} was stopped, and has not ended within 10 minutes: see it in the console of AWS FIS."
