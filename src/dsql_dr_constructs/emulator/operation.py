"""Service and operation of a request, and whether they are ambiguous."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from .ministack_seams import service_asked

NOT_S3 = "This request is signed for s3 and asks for another service: sign it for that."

Query = dict[str, list[str]]

_ACTION = re.compile(rb"(?:^|&)Action=")


def is_of_s3(method: str, path: str, headers: dict[str, str], query: Query) -> bool:
    """Whether a request with S3's signature, or a presigned one, can ask nothing but S3."""
    posted = method == "POST" and _is_form(headers)
    named = "x-amz-target" in headers or "Action" in query
    return not posted and not named and service_asked(method, path, headers, query) == "s3"


def service_and_parameters(
    method: str, path: str, headers: dict[str, str], query: Query, body: bytes
) -> tuple[str, Query]:
    """The service that answers, and the parameters of the query with those of a form."""
    form = parse_qs(body.decode("latin-1")) if _is_form(headers) else {}
    parameters = {**form, **query}
    return service_asked(method, path, headers, parameters), parameters


def unclear(method: str, path: str, headers: dict[str, str], query: Query, body: bytes) -> str | None:
    """Why IAM could decide on something else than what is done; None if it cannot.

    An operation is named by a path, X-Amz-Target, or the parameter Action, and by one of these.
    """
    target, is_json = "x-amz-target" in headers, "json" in headers.get("content-type", "")
    action_in_body = path == "/" and not (target and is_json) and _ACTION.search(body) is not None
    packed = "Action" in query and "content-encoding" in headers
    if sum((path != "/", target, "Action" in query, action_in_body, packed)) > 1:
        return "This request names its operation more than once: by its path, X-Amz-Target or Action, and not by two."
    asked, _ = service_and_parameters(method, path, headers, query, body)
    signed_for = {"authorization": headers["authorization"], "host": headers["host"]}
    if asked != service_asked(method, path, signed_for, {}):
        return f"Credential should be scoped to correct service: {asked!r}."
    return None


def _is_form(headers: dict[str, str]) -> bool:
    return "x-www-form-urlencoded" in headers.get("content-type", "")
