"""What the emulator's process finds in its environment, and every Lambda function after it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_KEPT = re.compile(r"PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|PYTHON[A-Z]+")
"""Of the user's environment, what Python needs to start and texts and times depend on, and nothing else: functions
inherit it, and it is full of secrets."""


def server_environment(
    user: Mapping[str, str], directory: Path, *, programs: list[Path], port: int, region: str, wait_scale: float
) -> dict[str, str]:
    """That of a process that keeps everything in *directory*, and finds *programs*' folders before the user's."""
    kept = {name: value for name, value in user.items() if _KEPT.fullmatch(name)}
    return {
        **kept,
        "PATH": os.pathsep.join([*map(str, programs), kept.get("PATH", os.defpath)]),
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "AWS_EC2_METADATA_DISABLED": "true",
        # ministack's own settings
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(directory / "state"),  # else in /tmp for all that ever ran
        "S3_DATA_DIR": str(directory / "s3"),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": region,
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",
        "SFN_WAIT_SCALE": str(wait_scale),
        # no listeners on every interface: not MQTT's, not SFTP's, and not those of containers
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{directory}/no-docker",
    }
