from __future__ import annotations

from collections.abc import Iterator

import pytest

from dsql_dr_constructs.emulator import AwsEmulator
from tests.end_to_end.project import Project


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """On a local AWS emulator of its own, with IAM enforced; indirect parameters are options of `AwsEmulator`."""
    options = {"regions": ["us-east-1", "us-west-2"], **getattr(request, "param", {})}
    with AwsEmulator(**options) as aws:
        yield Project(aws)
