"""Client of the emulator's own API, for faults, recorded calls and statuses of clusters."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from .credentials import Credentials


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
