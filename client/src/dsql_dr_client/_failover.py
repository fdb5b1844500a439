"""What both pools have in common: the endpoints, the router over them, and how a connection is made."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import psycopg

from ._connection import dsql_parameters
from ._connection_rate import ConnectionRate
from ._deployment import Deployment
from ._endpoint import Endpoint, Guarded
from ._events import EVACUATED, Event, logger
from ._routing import Router

C = TypeVar("C", bound=psycopg.BaseConnection[Any])
R = TypeVar("R")

SHORTEST_CONNECT_TIMEOUT = 2.0
"""Of psycopg, as of libpq."""
LONGEST_LIFETIME = 3600.0
"""Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"""
RATE_AT_ONCE = 4
"""Of the new connections of a second, one in so many needs no pause: by default a small pool is filled at once."""
RECONNECT_TIMEOUT = 15.0
"""Seconds for which psycopg_pool tries again by itself, with growing pauses, where an endpoint is at its limits."""

_numbers = itertools.count(1)


class Failover(Generic[C, R]):
    """Its parameters are those of `FailoverPool`."""

    _learned = False
    """Whether the endpoints of the deployment are known."""

    def __init__(
        self,
        endpoints: Mapping[str, str] | None = None,
        *,
        deployment: str | None = None,
        region: str | None = None,
        user: str,
        dbname: str = "postgres",
        min_size: int = 0,
        max_size: int = 4,
        timeout: float = 10.0,
        max_lifetime: float = 2700.0,
        max_idle: float = 600.0,
        connect_timeout: float = 3.0,
        answer_timeout: float | None = None,
        return_after: float = 30.0,
        max_connection_rate: float = 18.0,
        kwargs: Mapping[str, Any] | None = None,
        configure: Callable[[C], R] | None = None,
        reset: Callable[[C], R] | None = None,
        on_event: Callable[[Event], object] | None = None,
        open: bool = True,
        connection_class: type[C] | None = None,
    ) -> None:
        answer_timeout = connect_timeout if answer_timeout is None else answer_timeout
        _check_sizes(min_size, max_size)
        _check_seconds(connect_timeout, max_lifetime)
        _check_above_zero(
            timeout=timeout,
            answer_timeout=answer_timeout,
            return_after=return_after,
            max_idle=max_idle,
            max_connection_rate=max_connection_rate,
        )
        self._timeout, self._answer_timeout, self._return_after = timeout, answer_timeout, return_after
        self._rate = ConnectionRate(max_connection_rate, at_once=max(1, int(max_connection_rate / RATE_AT_ONCE)))
        self._on_event = on_event
        self._name = f"dsql-dr-client-{next(_numbers)}-"
        self._connection_class: Any = self._guarded(connection_class)
        self._parameters = {
            "user": user,
            "dbname": dbname,
            "connect_timeout": connect_timeout,
            "tcp_user_timeout": int(answer_timeout * 1000),
            "configure": configure,
            **({} if connection_class else dsql_parameters()),
            **(kwargs or {}),
        }
        self._terms: dict[str, Any] = {
            "min_size": min_size,
            "max_size": max_size,
            "max_lifetime": max_lifetime,
            "max_idle": max_idle,
            "reconnect_timeout": RECONNECT_TIMEOUT,
            "reset": reset,
        }
        self._of_dsql = connection_class is None
        own = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self._deployment = _deployment(deployment, own, endpoints, self._report)
        if self._deployment:
            self._route({str(own): ""})  # until they are read, when it is opened
        else:
            self._route(_checked(endpoints, own, must=region, of_dsql=self._of_dsql))
        self._begin(open)

    @property
    def region_in_use(self) -> str:
        """Region of the endpoint to which the next request goes."""
        return self._router.region

    def _learn(self, endpoints: Mapping[str, str]) -> None:
        """*endpoints* of the deployment."""
        own = self.region_in_use
        self._route(_checked(endpoints, own, must=own, of_dsql=self._of_dsql))
        self._learned = True

    def _follow_evacuation(self) -> None:
        if self._deployment:
            self._router.evacuate(self._deployment.evacuated())

    def _route(self, endpoints: Mapping[str, str]) -> None:
        """Decide between these *endpoints* from now on; the own one is the first."""
        self._router = Router(list(endpoints), return_after=self._return_after, emit=self._report)
        shared: dict[str, Any] = {"router": self._router, "rate": self._rate}
        shared |= {"report": self._report, "leave": self._leave}
        self._endpoints = {region: Endpoint(region, host, **shared) for region, host in endpoints.items()}
        self._new_pools()

    def _connect_parameters(self, region: str) -> dict[str, Any]:
        """For the connection class."""
        endpoint = self._endpoints[region]
        own = {"host": endpoint.host, "endpoint": endpoint, "answer_timeout": self._answer_timeout}
        return {**self._parameters, **own}

    def _failed(self, connection: psycopg.BaseConnection[Any], error: BaseException) -> None:
        """Report what *error* says of the connection's endpoint; `_acquire` does it by itself."""
        endpoint: Endpoint = connection.endpoint  # type: ignore[attr-defined]
        endpoint.interrupted(connection, error)  # type: ignore[arg-type]

    def _report(self, event: Event) -> None:
        """Act on what the router decided, and hand it on."""
        if event.name == EVACUATED and event.attributes["cloud.region"]:
            self._leave(str(event.attributes["cloud.region"]))
        if self._on_event:
            try:
                self._on_event(event)
            except Exception:
                logger.exception("on_event failed for %s.", event)

    def _guarded(self, own: type[C] | None) -> type[Guarded]:
        raise NotImplementedError

    def _new_pools(self) -> None:
        raise NotImplementedError

    def _begin(self, open: bool) -> None:
        raise NotImplementedError

    def _leave(self, region: str) -> None:
        """Close its idle connections at once, and those in use when they are returned; who waits there goes on."""
        raise NotImplementedError


def _deployment(
    name: str | None, own: str | None, endpoints: Mapping[str, str] | None, report: Callable[[Event], object]
) -> Deployment | None:
    if (name is None) == (endpoints is None):
        raise ValueError("Give either endpoints, the host names of both clusters by Region, or deployment, its name.")
    if name is None:
        return None
    if own is None:
        raise ValueError("The own Region is not known, in which the deployment's SSM parameters are: give region.")
    return Deployment(name, own, report=report)


def _checked(
    endpoints: Mapping[str, str] | None, own: str | None, *, must: str | None, of_dsql: bool
) -> dict[str, str]:
    """The *own* Region's first, which *must* be there if the caller named it."""
    if not endpoints or isinstance(endpoints, str):
        raise ValueError(
            "There are no endpoints by Region: give a mapping from each Region to its cluster's host name."
        )
    if must and must not in endpoints:
        raise ValueError(f"There is no endpoint in {must}, but in {', '.join(endpoints)}: give one of these as region.")
    for region, host in endpoints.items():
        if of_dsql and not re.fullmatch(rf"[a-z0-9]{{26}}\.dsql[a-z0-9-]*\.{re.escape(region)}\.on\.aws", host):
            raise ValueError(
                f"The endpoint of {region} is {host!r}, and none of Aurora DSQL there: give its host name as "
                "GetCluster has it, without a port."
            )
    return {region: endpoints[region] for region in sorted(endpoints, key=lambda one: one != own)}


def _check_sizes(min_size: int, max_size: int) -> None:
    if not 0 <= min_size <= max_size or max_size < 1:
        raise ValueError(
            f"min_size is {min_size} and max_size is {max_size}: give a max_size of at least 1, and a min_size from 0 "
            "to max_size."
        )


def _check_seconds(connect_timeout: float, max_lifetime: float) -> None:
    if connect_timeout < SHORTEST_CONNECT_TIMEOUT:
        raise ValueError(f"connect_timeout is {connect_timeout:g} s: give at least 2 s, as psycopg waits no less.")
    if not 0 < max_lifetime < LONGEST_LIFETIME:
        raise ValueError(
            f"max_lifetime is {max_lifetime:g} s: give less than 3600 s, after which Aurora DSQL ends a connection."
        )


def _check_above_zero(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} is {value:g}: give more than 0.")
