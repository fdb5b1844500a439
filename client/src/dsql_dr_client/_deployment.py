"""What SSM parameters say of a deployment: its endpoints, read once, and whether a Region is evacuated."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ._events import EVACUATION_UNREADABLE, Event, logger

REFRESH_SECONDS: Final = 30.0
"""Time between two readings while the pool is in use, on average: a random part of twice as much. An account has 40
readings a second in a Region.

Source: https://docs.aws.amazon.com/general/latest/gr/ssm.html
"""
REFRESH_SECONDS_WITHOUT: Final = 600.0
"""What that doubles to while there is nothing to read: no ``failover=`` in the app, or no permission."""

NOT_READABLE: Final = ("ParameterNotFound", "AccessDeniedException")

Declared = tuple[str | None]
"""The evacuated Region, or None for the end of an evacuation."""


class Deployment:
    """The SSM parameters of one deployment in the own Region.

    Args:
        name: The deployment's name.
        region: The own Region.
        report: Called with an event, once, if the evacuation cannot be read any more; by the next `evacuated`, since a
            pool of an event loop reports there only.
        client: SSM's. Default: boto3's, which gives up after seconds
        clock: Seconds that never go back.
        jitter: A random number between two.
    """

    def __init__(
        self,
        name: str,
        region: str,
        *,
        report: Callable[[Event], object] = lambda event: None,
        client: Any = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._path, self._region = f"/dsql-dr/{name}", region
        self._report, self._clock, self._jitter = report, clock, jitter
        self._client = client or boto3.client(
            "ssm",
            region_name=region,
            config=Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}),
        )
        self._endpoints: dict[str, str] = {}
        self._evacuated: str | None = None
        self._readable = True
        self._refresh_seconds = REFRESH_SECONDS
        self._unreported: Event | None = None
        self._refresh_at = 0.0
        self._lock = threading.Lock()  # held while a thread reads

    def endpoints(self) -> dict[str, str]:
        """Host names by Region; what they are is for the caller to check. They are read once.

        Raises:
            ValueError: There is no such deployment in the own Region.
            RuntimeError: SSM did not answer, or refused.
        """
        if self._endpoints:
            return dict(self._endpoints)
        try:
            pages = self._client.get_paginator("get_parameters_by_path").paginate(Path=self._path, Recursive=True)
            parameters = {one["Name"]: one for page in pages for one in page["Parameters"]}
        except Exception as error:  # botocore has some that are neither a ClientError nor a BotoCoreError
            raise RuntimeError(
                f"The SSM parameters below {self._path} in {self._region} could not be read: {error} A role gets the "
                "permission by pair.grant_read_parameters(role); or give the endpoints instead of deployment."
            ) from error
        names = {name: re.fullmatch(rf"{re.escape(self._path)}/([a-z0-9-]+)/endpoint", name) for name in parameters}
        found = {match[1]: parameters[name]["Value"] for name, match in names.items() if match}
        if not found:
            raise ValueError(
                f"There are no SSM parameters below {self._path} in {self._region} that name endpoints: give the "
                "deployment's name as pair.deployment_name has it, and a Region that has one of its clusters."
            )
        self._endpoints = found
        if parameter := parameters.get(f"{self._path}/evacuation"):
            self._read(parameter)
        else:
            self._later()
        return dict(found)

    def evacuated(self) -> str | None:
        """The evacuated Region as last read. If it is time to read it again, a thread does; nobody waits for that."""
        if event := self._unreported:
            self._unreported = None
            self._report(event)
        if self._clock() >= self._refresh_at and self._lock.acquire(blocking=False):
            try:
                threading.Thread(target=self._refresh, name="dsql-dr-client-evacuation", daemon=True).start()
            except RuntimeError:
                self._lock.release()
                self._next(self._refresh_seconds)
                logger.exception("No thread could be started to read what is evacuated; a later request tries again.")
            except BaseException:
                self._lock.release()
                raise
        return self._evacuated

    def _refresh(self) -> None:
        try:
            self._read()
        finally:
            self._lock.release()

    def _read(self, present: Mapping[str, Any] | None = None) -> None:
        self._next(self._refresh_seconds)
        try:
            declared = self._declared(self._versions(present))
        except Exception as error:  # whatever it is, the thread would end by it, and nobody would know
            self._failed(error)
        else:
            self._evacuated = declared[0] if declared else None
            self._readable = True
            self._next(REFRESH_SECONDS)

    def _versions(self, present: Mapping[str, Any] | None) -> Iterable[Mapping[str, Any]]:
        """Of the parameter: the present one, or, where that is no declaration, all that AWS has kept.

        A deployment may write the value again with which the parameter was created, and that ends no evacuation.
        """
        name = f"{self._path}/evacuation"
        present = present or self._client.get_parameter(Name=name)["Parameter"]
        if self._declared([present]) or present["Version"] == 1:
            return [present]
        pages = self._client.get_paginator("get_parameter_history").paginate(Name=name)
        return [one for page in pages for one in page["Parameters"]]

    def _declared(self, versions: Iterable[Mapping[str, Any]]) -> Declared | None:
        """The newest declaration; what is none about this deployment is passed over."""
        for version in sorted(versions, key=lambda one: int(one["Version"]), reverse=True):
            try:
                region = json.loads(version["Value"])["evacuated"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if region is None or (isinstance(region, str) and region in self._endpoints):
                return (region,)
        return None

    def _failed(self, error: Exception) -> None:
        """The last known value is kept, but where the parameter does not exist nothing is evacuated."""
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if code in NOT_READABLE:
            self._later()
        if code == "ParameterNotFound":
            self._evacuated = None
        elif self._readable:
            self._readable = False
            attributes = {"error.type": code, "error.message": str(error), "cloud.region": self._region}
            self._unreported = Event(EVACUATION_UNREADABLE, attributes)

    def _later(self) -> None:
        self._next(min(REFRESH_SECONDS_WITHOUT, 2 * self._refresh_seconds))

    def _next(self, seconds: float) -> None:
        self._refresh_seconds = seconds
        self._refresh_at = self._clock() + self._jitter(0, 2 * seconds)
