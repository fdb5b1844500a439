"""A release from end to end, to a PyPI of our own on loopback: `make release-rehearsal`.

Build, check, publish with npm's publib, install, synthesize, upgrade. Who asks another host meets a closed port.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dsql_dr_constructs.emulator.aws_emulator import node
from tests.tools import INDEX, NPM_CACHE

ROOT = Path(__file__).parents[1]
PREVIOUS = "0.0.0"
"""Stands for the version before, until there is one: the same sources, so an upgrade must change nothing."""
PROJECTS = (".", "client")
SOURCES = ("src", "client", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".gitignore")
DEFAULT_APP = """
import aws_cdk as cdk
from dsql_dr_constructs import MultiRegionDsqlDr
app = cdk.App(outdir="cdk.out")
MultiRegionDsqlDr(app, "AuroraDsqlDR")
app.synth()
"""
IMPORT = """
from importlib.util import find_spec
import dsql_dr_client
print("with" if find_spec("aws_cdk") or find_spec("dsql_dr_constructs") else "without", "the CDK")
"""


class ReleaseError(Exception):
    """A step did not do what a release needs; the text says which."""


def main() -> str:
    """What it did, in a sentence.

    Raises:
        ReleaseError: a step failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        current, previous = folder / "current", folder / "previous"
        version = _build(ROOT, current)
        _same_bytes(current, folder)
        _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(current.iterdir())))
        _build(_with_version(folder / "sources", PREVIOUS), previous)
        (folder / "uploads").mkdir()
        with _pypi(folder / "uploads") as url:
            offline = _only(url, folder)
            # a Python with pip of its own, in which publib installs for the user
            _run(sys.executable, "-m", "venv", "--system-site-packages", str(folder / "publisher"), environment=offline)
            _publish(previous, offline)
            python, alone = (_environment(folder / one, offline) for one in ("app", "service"))
            before = _synthesized(python, PREVIOUS, folder / "before", offline)
            _imported(alone, PREVIOUS, offline)
            _publish(current, offline)
            after = _synthesized(python, version, folder / "after", offline)
            _imported(alone, version, offline)
            uploaded = len(list((folder / "uploads").glob(f"*{version}*")))
    if before != after:
        raise ReleaseError(f"The upgrade from {PREVIOUS} changes templates of the same sources.")
    return (
        f"Released {version} to a PyPI of our own: {uploaded} files, the same bytes when built twice, checked, "
        f"published by publib, installed, upgraded from {PREVIOUS}, {len(after)} stacks synthesized, and the client "
        "imported without them."
    )


def _build(sources: Path, into: Path) -> str:
    command = ["-m", "hatchling", "build", "--target", "sdist", "--target", "wheel", "--directory", str(into)]
    for one in PROJECTS:
        _run(sys.executable, *command, folder=sources / one)
    [version] = {one.name.split("-")[1] for one in into.glob("*.whl")}
    return version


def _same_bytes(built: Path, folder: Path) -> None:
    """Another path and another second give the same files."""
    again, copy = folder / "again", _copied(folder / "another path")
    time.sleep(1.1)
    _build(copy, again)
    digests = [
        {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in place.iterdir()} for place in (built, again)
    ]
    if digests[0] != digests[1]:
        raise ReleaseError(f"Not reproducible: {digests}")


def _copied(folder: Path) -> Path:
    folder.mkdir()
    for name in SOURCES:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(one, folder / name)
    return folder


def _with_version(folder: Path, version: str) -> Path:
    _copied(folder)
    for name in PROJECTS:
        project = folder / name / "pyproject.toml"
        project.write_text(re.sub(r"^version = .*$", f'version = "{version}"', project.read_text(), flags=re.MULTILINE))
    return folder


@contextmanager
def _pypi(uploads: Path) -> Iterator[str]:
    """pypiserver with what was published and with what the package needs; it never sends anybody to pypi.org."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--interface=127.0.0.1", f"--port={port}", "--passwords=.", "--authenticate=.", "--disable-fallback"]
    command = [sys.executable, "-m", "pypiserver", "run", *options, str(uploads), str(INDEX)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
        except (urllib.error.URLError, OSError):
            if time.monotonic() > until:
                raise ReleaseError("pypiserver did not start.") from None
            time.sleep(0.1)
        else:
            return


def _only(url: str, folder: Path) -> dict[str, str]:
    """An environment in which pip and twine know this index, and everything else meets a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    return {
        "PATH": os.pathsep.join(
            [str(folder / "publisher" / "bin"), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        ),
        "HOME": str(folder),
        "JSII_NODE": node(),
        "PIP_INDEX_URL": f"{url}simple/",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUSERBASE": str(folder / "user"),  # where publib installs twine
        "npm_config_cache": str(NPM_CACHE),
        "npm_config_offline": "true",
        "TWINE_REPOSITORY_URL": url,
        "TWINE_USERNAME": "rehearsal",
        "TWINE_PASSWORD": "rehearsal",
        "NO_PROXY": "127.0.0.1",
        **{f"{kind}_proxy": nowhere for kind in ("http", "https", "all")},
    }


def _publish(built: Path, environment: Mapping[str, str]) -> None:
    _run(str(ROOT / ".ci" / "publish"), str(built), environment=environment)


def _environment(folder: Path, environment: Mapping[str, str]) -> str:
    _run(sys.executable, "-m", "venv", str(folder), environment=environment)
    return str(folder / "bin" / "python")


def _installed(python: str, name: str, version: str, environment: Mapping[str, str]) -> None:
    """*version* from the index."""
    command = ["-m", "pip", "install", "--quiet", "--upgrade", f"{name}<={version}"]
    _run(python, *command, environment=environment)
    found = _run(python, "-c", f"from importlib.metadata import version; print(version('{name}'))")
    if found.strip() != version:
        raise ReleaseError(f"The index gave {name} {found.strip()}, and not {version}.")


def _imported(python: str, version: str, environment: Mapping[str, str]) -> None:
    """The client, in an environment without the constructs."""
    _installed(python, "dsql-dr-client", version, environment)
    _run(python, "-m", "pip", "check", environment=environment)
    found = _run(python, "-c", IMPORT, environment=environment)
    if found.strip() != "without the CDK":
        raise ReleaseError("The client brings the CDK.")


def _synthesized(python: str, version: str, folder: Path, environment: Mapping[str, str]) -> dict[str, object]:
    """Templates of the default configuration."""
    _installed(python, "dsql-dr-constructs", version, environment)
    folder.mkdir()
    _run(python, "-c", DEFAULT_APP, environment=environment, folder=folder)
    return {one.name: json.loads(one.read_text()) for one in sorted(folder.glob("cdk.out/*.template.json"))}


def _run(*command: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    done = subprocess.run(command, env=environment, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command[:4])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    print(main())
