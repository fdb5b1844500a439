"""Access control of the local AWS emulator. The emulator runs code for its callers, so this check comes first.

Programs on this machine can reach its port, and so can web pages in a browser, by name or by address. Therefore a
request has to be for this address, must not come from a web page, and needs credentials of this run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from . import ministack_seams
from .credentials import ACCOUNT, Credentials, same
from .signature import Signature, SignatureError, signature_of

_UNSIGNED = (
    # Custom resources and wait conditions answer CloudFormation at a secret URL: it ends with a random UUID, only the
    # called function receives it, and it does nothing but end the wait for this one answer.
    re.compile(r"PUT /_ministack/cfn-(?:response|signal)/[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}"),
    # A function's URL has a random name as well. ministack requires a signature if its AuthType is AWS_IAM; with NONE
    # it is public in AWS, and here open to every program that knows the name. The path leads to nothing else.
    re.compile(r"(?!OPTIONS )[A-Z]+ /_aws/lambda-url/[a-z0-9-]{32,36}(?:/.*)?", re.DOTALL),
)
_ONCE = ("host", "authorization", "x-amz-security-token", "x-amz-target", "content-type")
_ONCE_IN_QUERY = ("awsaccesskeyid", "x-amz-credential", "x-amz-security-token")


class RefusedError(Exception):
    """The request is refused; the text says why."""


@dataclass(frozen=True)
class Caller:
    """Sender of a request: *role* is that of a Lambda function; the owner is the program that started the emulator."""

    account: str
    role: str | None = None
    is_owner: bool = False
    session: str | None = None
    """ARN of the session with an assumed role, as the CDK CLI has them."""

    @property
    def principal_arn(self) -> str:
        """As IAM's ``aws:PrincipalArn`` has it."""
        if self.session and ":assumed-role/" in self.session:
            return f"arn:aws:iam::{self.account}:role/{self.session.split('/')[1]}"
        return self.role or f"arn:aws:iam::{self.account}:root"

    @property
    def user_arn(self) -> str:
        """As records of AWS name who called."""
        return self.session or self.principal_arn


class AccessControl:
    """Admits requests with the credentials of this run.

    Args:
        port: The emulator's, on loopback.
        credentials: The owner's.
    """

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._credentials = credentials

    def admit(self, scope: Mapping[str, Any]) -> Caller | None:
        """The sender of a request; None for one of the few that need no credentials.

        Raises:
            RefusedError: it is not for this address, comes from a web page, or has no credentials of this run.
        """
        headers = headers_of(scope)
        if headers.get("host") not in self._hosts:
            raise RefusedError(
                f"This local AWS emulator is {' or '.join(self._hosts)}, and the request's Host is "
                f"{headers.get('host')!r}: use the endpoint that it was started with."
            )
        if "origin" in headers or "sec-fetch-site" in headers:
            raise RefusedError(
                "This local AWS emulator answers programs only, and no web page: send the request without Origin and "
                "Sec-Fetch-Site."
            )
        signature = self.signature(scope)
        caller = self.identify(signature.key, signature.token) if signature else None
        if caller and caller.role and scope["type"] == "websocket":
            raise RefusedError(
                "A function's role cannot open a web socket here, since its policies could not be checked."
            )
        if caller:
            return caller
        if not signature and needs_no_credentials(scope):
            return None
        raise RefusedError(
            "This request has no credentials of this local AWS emulator: take AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
            "and AWS_SESSION_TOKEN from AwsEmulator.variables(), or from the output of dsql-dr rehearse --keep."
        )

    @staticmethod
    def signature(scope: Mapping[str, Any]) -> Signature | None:
        """The signature of a request, without a check of its credentials.

        Raises:
            RefusedError: it can be understood in more than one way.
        """
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            return signature_of(headers_of(scope), _by_name(pairs, _ONCE_IN_QUERY, "query parameter"))
        except SignatureError as error:
            raise RefusedError(str(error)) from None

    def identify(self, access_key: str, session_token: str) -> Caller | None:
        """The caller with these credentials; None if they are not of this run."""
        owner = self._credentials
        if same(access_key, owner.access_key) and same(session_token, owner.session_token):
            return Caller(ACCOUNT, is_owner=True)
        role = owner.role_of(session_token)
        if role is not None and same(access_key, owner.of_role(role).access_key):
            return Caller(access_key, role or None)
        session = ministack_seams.sts_session(access_key)  # as the CDK CLI has them of the roles that it assumes
        if session and session.get("SessionToken") and same(session_token, session["SessionToken"]):
            arn: str = session["Arn"]
            return Caller(arn.split(":")[4], session=arn)
        return None


def needs_no_credentials(scope: Mapping[str, Any]) -> bool:
    """Whether a request is one of the few that need only their secret URL."""
    request = f"{scope.get('method', 'GET')} {scope['path']}"
    return any(one.fullmatch(request) for one in _UNSIGNED)


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """By name in lower case."""
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return _by_name(pairs, _ONCE, "header")


def _by_name(pairs: Iterable[tuple[str, str]], once: tuple[str, ...], kind: str) -> dict[str, str]:
    """In lower case. Servers differ in which of two with one name they use, so there must not be two."""
    found: dict[str, str] = {}
    for given, value in pairs:
        name = given.lower()
        if name in once and name in found:
            raise RefusedError(f"This request has the {kind} {name} more than once: send one.")
        found[name] = value
    return found
