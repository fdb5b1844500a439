"""`make matrix`: the constructs' tests with the lowest and the newest versions that the wheel allows, on each Python.

A Python that this machine does not have is named and skipped; nothing is downloaded but packages. JSII_DEPRECATED=fail
is in force (tests/conftest.py), so what is deprecated in a cell fails it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools import BUILD

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TOOLS = (
    "cfn-lint>=1.40",
    "pytest>=9",
    "pytest-xdist>=3.8",
    "hypothesis>=6.140",
    "policy-sentry>=0.15",
    *BUILD,
)
VERSIONS = (
    "from importlib.metadata import version as v; print('aws-cdk-lib', v('aws-cdk-lib'), 'constructs', v('constructs'))"
)
NOT_OF_VERSIONS = ("test_template_rules", "test_documents", "test_workflows", "test_locks", "test_layers")
"""Their tools are of the project's own environment."""
UV = str(Path(sys.executable).with_name("uv"))


def cells() -> list[tuple[str, str]]:
    """Both ends of the versions on both ends of the Pythons, and the newest on those between."""
    lowest = [(python, "lowest-direct") for python in (PYTHONS[0], PYTHONS[-1])]
    return [*lowest, *((python, "highest") for python in PYTHONS)]


def available(python: str) -> str | None:
    """Path of the interpreter, pyenv's included."""
    for one in (*Path.home().glob(f".pyenv/versions/{python}.*/bin/python"), python):
        done = subprocess.run(
            [UV, "python", "find", "--no-python-downloads", str(one)], check=False, capture_output=True
        )
        if done.returncode == 0:
            return done.stdout.decode().strip()
    return None


def run(interpreter: str, resolution: str, *command: str) -> subprocess.CompletedProcess[str]:
    packages = [f"--with={one}" for one in TOOLS]
    environment = [
        UV,
        "run",
        "--quiet",
        "--isolated",
        "--no-project",
        "--no-python-downloads",
        f"--python={interpreter}",
    ]
    return subprocess.run(
        [
            *environment,
            f"--resolution={resolution}",
            "--with-editable=.[cli,emulator,sql]",
            "--with-editable=client",
            *packages,
            "python",
            *command,
        ],
        check=False,
        capture_output=True,
        text=True,
    )


def main() -> int:
    failed = 0
    for python, resolution in cells():
        interpreter = available(python)
        if not interpreter:
            print(f"Python {python:5} {resolution:14} skipped: this machine has none")
            continue
        versions = run(interpreter, resolution, "-c", VERSIONS).stdout.strip()
        tests = [
            "-m",
            "pytest",
            "-q",
            *(f"--ignore=tests/unit/{one}.py" for one in NOT_OF_VERSIONS),
            "-k",
            "not lowest_versions",
            "tests/unit",
            "tests/client/test_routing.py",  # the client's own lowest versions are in tests/client/test_package.py
        ]
        done = run(interpreter, resolution, *tests)
        print(f"Python {python:5} {resolution:14} {versions:40} {done.stdout.strip().splitlines()[-1]}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout + done.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
