"""Which errors of AWS another try may change: botocore's own classification, for what is tried again outside of it."""

from __future__ import annotations

from botocore.exceptions import ClientError
from botocore.retries.standard import RetryContext, ThrottledRetryableChecker, TransientRetryableChecker

_CHECKERS = (ThrottledRetryableChecker(), TransientRetryableChecker())


def is_transient(error: ClientError) -> bool:
    """Whether AWS throttled the call, or failed itself (HTTP 5xx).

    Source: https://docs.aws.amazon.com/boto3/latest/guide/retries.html#standard-retry-mode
    """
    answer = RetryContext(attempt_number=1, parsed_response=error.response)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or any(checker.is_retryable(answer) for checker in _CHECKERS)
