"""Users of the orders service: each sends one order after the other to what its resolver answers."""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from urllib.parse import urlsplit

import psycopg
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dsql_dr_constructs.emulator import AwsEmulator
from tests.postgresql import Postgresql

_TIMEOUT = 120.0
_NO_ANSWER, _COLD_START = 5.0, 60.0
"""Seconds without an answer, after which a user tries again; a function's first answer takes longer."""
_PAUSE = 0.05
_NEXT = 10
"""How many orders have to say the same."""


@dataclass(frozen=True)
class Accepted:
    """An order that the service has: where its user is, and when the request was resolved that was answered."""

    id: uuid.UUID
    home: str
    resolved_at: float
    region: str
    """Of the API that answered."""
    endpoint: str
    """Region of the cluster."""


class Users:
    """One user near each Region, from entering the block to its end. An order is sent until it is accepted.

    Args:
        aws: Where the service is deployed.
        domain: What they call.

    Raises:
        AssertionError: at the end, an answer was neither of success nor one after which to try again.
    """

    def __init__(self, aws: AwsEmulator, domain: str) -> None:
        self._aws = aws
        self._domain = domain
        self._host = urlsplit(aws.endpoint).netloc
        self._apis: dict[str, tuple[str, str]] = {}
        for region in aws.regions:
            api = aws.client("apigateway", region)
            name = api.get_domain_name(domainName=domain)["regionalDomainName"]
            [mapping] = api.get_base_path_mappings(domainName=domain)["items"]
            self._apis[name] = region, f"/_aws/execute-api/{mapping['restApiId']}/{mapping['stage']}/"
        variables = aws.variables()
        names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
        self._credentials = Credentials(*(variables[f"AWS_{one}"] for one in names))
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send_orders, args=(region,)) for region in aws.regions]
        self._accepted: list[Accepted] = []
        self._unexpected: list[str] = []
        self._last = ""
        for region, path in self._apis.values():
            status, said = self._put(region, f"{path}{uuid.uuid4()}", "{}", timeout=_COLD_START)
            assert status == 400, said

    def __enter__(self) -> Users:
        for one in self._threads:
            one.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for one in self._threads:
            one.join()
        assert self._unexpected == []

    def next(self, home: str) -> set[tuple[str, str]]:
        """Regions of the API and of the cluster that take the next orders of the user near *home*."""
        now = time.monotonic()
        while True:
            found = [one for one in list(self._accepted) if one.home == home and one.resolved_at > now]
            if len(found) >= _NEXT:
                return {(one.region, one.endpoint) for one in found}
            assert not self._unexpected, self._unexpected
            assert time.monotonic() < now + _TIMEOUT, f"Orders of users near {home} are not accepted."
            time.sleep(0.05)

    def assert_stored_once(self, database: Postgresql) -> None:
        """All that was accepted is there, and no more; items are counted once for each order."""
        assert len(self._accepted) > 2 * _NEXT
        ids = [one.id for one in self._accepted]
        with psycopg.connect(host=str(database.socket_folder), port=database.port, user="postgres") as connection:
            stored = [row[0] for row in connection.execute("SELECT id FROM orders WHERE id = ANY(%s)", (ids,))]
            assert sorted(stored) == sorted(ids)
            [counts] = connection.execute(
                "SELECT count(*), (SELECT quantity FROM sold WHERE item = 'apple') FROM orders WHERE item = 'apple'"
            )
            assert counts[0] == counts[1], "lost or counted twice"

    def _send_orders(self, home: str) -> None:
        while not self._done.wait(_PAUSE) and not self._unexpected:
            id, until = uuid.uuid4(), time.monotonic() + _TIMEOUT
            while not self._is_accepted(id, home):
                if self._unexpected or time.monotonic() > until:
                    self._unexpected.append(f"{id} was not accepted; the last answer is {self._last}")
                    break

    def _is_accepted(self, id: uuid.UUID, home: str) -> bool:
        resolved_at = time.monotonic()
        [name] = self._aws.resolve(self._domain, region=home)
        region, path = self._apis[name]
        try:
            status, said = self._put(region, f"{path}{id}", json.dumps({"item": "apple", "quantity": 1}))
        except (OSError, HTTPException) as error:
            self._last = f"{region}: {error!r}"
            return False
        self._last = f"{region}: {status} {said}"
        if status in (200, 201):
            endpoint = json.loads(said)["endpoint"].split(".")[2]
            self._accepted.append(Accepted(id, home, resolved_at, region, endpoint))
            return True
        if status < 500:
            self._unexpected.append(self._last)
        return False

    def _put(self, region: str, path: str, data: str, *, timeout: float = _NO_ANSWER) -> tuple[int, str]:
        """In AWS, a signature for both Regions (SigV4A), since users do not know which of them will answer."""
        request = AWSRequest("PUT", f"http://{self._host}{path}", data=data, headers={"content-type": "text/plain"})
        SigV4Auth(self._credentials, "execute-api", region).add_auth(request)
        with closing(HTTPConnection(self._host, timeout=timeout)) as connection:
            connection.request("PUT", path, request.data, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
