"""The credentials of one run of the local AWS emulator. Requests without them are refused."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

ACCOUNT = "000000000000"
"""The emulator's account, as ministack has it for an access key that is no account."""

_FUNCTION = "function-role:"


@dataclass(frozen=True)
class Credentials:
    """What a client signs with. The session token is compared; signatures are not checked."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)

    @classmethod
    def random(cls) -> Credentials:
        """The owner's, for one run."""
        return cls(f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), secrets.token_urlsafe(30))

    def of_role(self, role_arn: str) -> Credentials:
        """Those of Lambda functions with *role_arn*; the owner's cannot be computed from them."""
        account = role_arn.split(":")[4] if role_arn.count(":") > 4 else ACCOUNT  # ministack's: the key is the account
        return Credentials(account, self._sealed("secret key", role_arn), self._token(role_arn))

    def role_of(self, session_token: str) -> str | None:
        """The role that a function's *session_token* is for; None for every other token, forged ones included."""
        role = session_token.removeprefix(_FUNCTION).rpartition(":")[0]
        return role if same(session_token, self._token(role)) else None

    def variables(self) -> dict[str, str]:
        """Environment variables for every client of AWS."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }

    def _token(self, role_arn: str) -> str:
        return f"{_FUNCTION}{role_arn}:{self._sealed('session token', role_arn)}"

    def _sealed(self, purpose: str, role_arn: str) -> str:
        return hmac.new(self.secret_key.encode(), f"{purpose} of {role_arn}".encode(), hashlib.sha256).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that does not depend on how much of them is."""
    return hmac.compare_digest(given.encode(), wanted.encode())
