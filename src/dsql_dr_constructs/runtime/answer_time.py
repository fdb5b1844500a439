"""The time of AWS's answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any


def time_of_answer(answer: Mapping[str, Any]) -> datetime:
    """AWS's own time of an answer, by its ``Date`` header: ages and metrics are by this, never by the local clock."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(timezone.utc)
