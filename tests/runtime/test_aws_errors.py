from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.runtime.aws_errors import is_transient


def error(code: str, status: int | None = 400) -> ClientError:
    metadata = {} if status is None else {"ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({"Error": {"Code": code, "Message": "no"}, **metadata}, "GetCluster")


@pytest.mark.parametrize(
    "code",
    [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "RequestTimeout",
    ],
)
def test_what_botocore_would_try_again_is_transient(code: str) -> None:
    assert is_transient(error(code))
    assert is_transient(error(code, None))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_fault_inside_aws_is_transient_whatever_its_code(status: int) -> None:
    assert is_transient(error("SomethingNew", status))


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException", ""])
def test_refusal_is_not_transient(code: str) -> None:
    assert not is_transient(error(code))
    assert not is_transient(error(code, None))
    assert not is_transient(error(code, 499))
