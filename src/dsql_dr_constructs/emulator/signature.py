"""What a request to the local AWS emulator is signed with, and for.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SCOPE = r"(?P<key>[^/,\s]+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request"
_HEADER = re.compile(rf"AWS4-HMAC-SHA256 +Credential={_SCOPE}, *SignedHeaders=[\w;-]+, *Signature=\w+")
_PRESIGNED = re.compile(_SCOPE)


class SignatureError(Exception):
    """The signature is incomplete or ambiguous; the text says why."""


@dataclass(frozen=True)
class Signature:
    """A signature with a full scope, or an older one of S3, which has none. It is not verified."""

    key: str
    token: str
    region: str
    service: str


def signature_of(headers: Mapping[str, str], query: Mapping[str, str]) -> Signature | None:
    """That of a request, or of a presigned URL; None if it has neither. Names are in lower case.

    Raises:
        SignatureError: it has no full scope, or is that of a presigned URL for another service than S3.
    """
    authorization = headers.get("authorization", "")
    in_header = authorization.startswith("AWS")
    if not in_header and "awsaccesskeyid" in query:
        return Signature(query["awsaccesskeyid"], query.get("x-amz-security-token", ""), "", "s3")
    if not in_header and not any(name.startswith("x-amz-") for name in query):
        return None
    found = _HEADER.fullmatch(authorization) if in_header else _PRESIGNED.fullmatch(query.get("x-amz-credential", ""))
    if not found:
        raise SignatureError(
            "This request's signature has no full scope: sign it as AWS's SDKs do, with "
            "Credential=<key>/<date>/<region>/<service>/aws4_request, SignedHeaders and Signature."
        )
    if not in_header and found["service"] != "s3":
        raise SignatureError("This local AWS emulator accepts presigned URLs for S3 only: sign the request's headers.")
    token = (headers if in_header else query).get("x-amz-security-token", "")
    return Signature(found["key"], token, found["region"], found["service"])
