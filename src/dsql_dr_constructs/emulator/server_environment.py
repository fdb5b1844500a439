"""The environment of the emulator's process, which Lambda functions inherit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_KEPT = re.compile(r"PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|PYTHON[A-Z]+")
"""Of the user's environment, only the variables that Python, texts and times need: functions inherit them, and other
variables may have secrets."""


def server_environment(
    user: Mapping[str, str], directory: Path, *, programs: Sequence[Path], port: int, region: str, wait_scale: float
) -> dict[str, str]:
    """The environment of a process with all its files in *directory*, and with *programs*' folders first in PATH."""
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
