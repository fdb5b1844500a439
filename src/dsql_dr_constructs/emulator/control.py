"""Client of the emulator's own API, for faults, recorded calls, statuses, the clock and answers of Route 53."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .credentials import ACCOUNT, Credentials
from .faults import Fault


def call(
    endpoint: str,
    owner: Credentials,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    timeout: float | None = 10,
) -> Any:
    """The result of *path*, within *timeout* seconds.

    Raises:
        OSError: the emulator does not answer.
        ValueError: it refused the call; the text says why.
    """
    data = json.dumps(body).encode() if body is not None else None
    scope = f"{owner.access_key}/20260101/us-east-1/emulator/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    headers = {**signed, "X-Amz-Security-Token": owner.session_token}
    url = f"{endpoint}/_emulator/{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - loopback
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["message"]) from None


class Control:
    """What the program that started the local AWS emulator can do with it beside AWS's APIs."""

    def inject(self, fault: Fault) -> None:
        """Inject *fault*, until it is cleared."""
        self._control("POST", "faults", fault.to_json())

    def clear_faults(self, name: str | None = None) -> None:
        """Clear the fault with this name, or all faults. Default: all."""
        self._control("DELETE", "faults", {"name": name})

    def calls(self) -> list[dict[str, Any]]:
        """Every API call since the start or `clear_calls`: account, region, service, name, role of the function."""
        answer: list[dict[str, Any]] = self._control("GET", "calls")
        return answer

    def clear_calls(self) -> None:
        """Empty the list of `calls`."""
        self._control("DELETE", "calls")

    def set_cluster_status(self, region: str, identifier: str, status: str) -> None:
        """Give a cluster a status that only AWS itself can give it: IDLE, INACTIVE or FAILED, and ACTIVE after it.

        A login makes one that is IDLE or INACTIVE become ACTIVE. INACTIVE refuses it with "waking up cluster, please
        retry later".
        """
        asked = {"account": ACCOUNT, "region": region, "identifier": identifier, "status": status}
        self._control("POST", "cluster-status", asked)

    def health_check_status(self, identifier: str) -> str:
        """Status of a health check of Route 53, ``Healthy`` or ``Unhealthy``, as records see it.

        Args:
            identifier: Its id.

        Raises:
            ValueError: there is no such health check.
        """
        return str(self._control("POST", "health-check-status", {"identifier": identifier}))

    def resolve(self, name: str, record_type: str = "A", *, region: str) -> list[str]:
        """What Route 53 answers to a resolver in *region*, from the records of all hosted zones and the health checks.

        Simple, weighted, latency, failover and multivalue records are answered, as
        https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html says,
        aliases and CNAMEs followed as far as the hosted zones have them, and a target elsewhere given by its name. In
        place of latencies that AWS measures, the own Region is nearest, then those of the same part of the world.

        Args:
            name: Domain name.
            record_type: Type of the records. Default: A.
            region: Region of the resolver.

        Raises:
            ValueError: the records have another routing policy, or lead in a circle.
        """
        asked = {"name": name, "record_type": record_type, "region": region}
        answer: list[str] = self._control("POST", "resolve", asked)
        return answer

    def advance_clock(self, seconds: float) -> datetime:
        """Move the emulator's clock forward, and return its new time, in UTC, when all that was due on the way has run.

        Rules with ``cron(...)`` run once for each of their minutes on the way, in order, and functions that they invoke
        are waited for, up to 5 seconds of real time. ``rate(...)`` and alarms stay on real time.

        Args:
            seconds: 0 or more; with 0, the time is only returned.

        Raises:
            ValueError: *seconds* is negative.
        """
        now = self._control("POST", "clock", {"seconds": seconds}, timeout=None)
        return datetime.fromtimestamp(now, timezone.utc)

    def _control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float | None = 10
    ) -> Any:
        raise NotImplementedError
