"""The client's wheel: small, by itself, and without the CDK."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.tools import CLIENT_LOWEST, ROOT, UV, UV_INSTALL
from tests.wheel import PROJECTS, build_wheel, files, links, metadata, page, requirements, sources

PACKAGE = "dsql_dr_client"
CLIENT = PROJECTS[PACKAGE]
ALONE = """
from importlib.metadata import version
from importlib.util import find_spec
import dsql_dr_client
for name in dsql_dr_client.__all__:
    assert getattr(dsql_dr_client, name).__doc__, name
print([one for one in ("aws_cdk", "constructs", "dsql_dr_constructs", "jsii") if find_spec(one)])
print(version("dsql-dr-client"), version("psycopg"), version("psycopg-binary"), version("boto3"))
"""
FAILOVER = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.client.pair_of_endpoints import EAST, WEST, pair_of_endpoints
import psycopg, psycopg_pool
with pair_of_endpoints() as pair, pair.pool(EAST, answer_timeout=2) as pool:
    used = []
    for mode in ("healthy", "refused", "healthy"):
        pair.fail(EAST, mode)
        assert pool.run_transaction(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
        used.append(pool.region_in_use)
assert used == [EAST, WEST, WEST], used
print(psycopg.__version__, psycopg_pool.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"), PACKAGE)


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_the_sources_and_nothing_else(wheel: Path) -> None:
    found = sources(PACKAGE)
    assert {one for one in found if not one.endswith(".py")} == {"dsql_dr_client/py.typed"}
    assert files(wheel) == (found, {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"})


def test_wheel_is_small_enough_for_any_function(wheel: Path) -> None:
    assert wheel.stat().st_size < 100_000


def test_sdist_has_what_builds_the_wheel_and_nothing_else(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path), cwd=CLIENT)
    [sdist] = tmp_path.iterdir()
    with tarfile.open(sdist) as archive:
        names = {one.partition("/")[2] for one in archive.getnames()}
    beside = {"README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == beside | {f"src/{one}" for one in sources(PACKAGE)}


def test_wheel_needs_the_connector_psycopg_and_nothing_of_the_cdk(wheel: Path) -> None:
    assert requirements(wheel) == [
        "aurora-dsql-python-connector[psycopg]<0.3,>=0.2.7",
        "boto3>=1.35.74",
        "psycopg-pool>=3.2.6",
        "psycopg<3.4,>=3.3.6",
        "typing-extensions>=4.6",
    ]
    assert metadata(wheel)["Requires-Python"] == ">=3.10"


def test_sources_import_what_the_wheel_needs_and_nothing_else() -> None:
    trees = [ast.parse(one.read_text()) for one in (CLIENT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    foreign = {one.partition(".")[0] for one in modules} - sys.stdlib_module_names
    assert "psycopg" in foreign
    assert foreign <= {
        *("aurora_dsql_psycopg", "dsql_core"),  # of the connector
        *("boto3", "botocore"),
        *("psycopg", "psycopg_pool", "typing_extensions"),
    }


def test_version_and_license_are_those_of_the_constructs(wheel: Path, tmp_path: Path) -> None:
    constructs = metadata(build_wheel(tmp_path))
    client = metadata(wheel)
    assert client["Version"]
    for name in ("Version", "License-Expression", "Requires-Python"):
        assert client[name] == constructs[name]
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_pypi_shows_the_readme_without_links_that_lead_nowhere(wheel: Path) -> None:
    shown = page(wheel)
    assert [one for one in links(shown) if not one.startswith("https://")] == []
    assert "[" not in shown.replace("psycopg[", "")
    assert len(links((CLIENT / "README.md").read_text())) == 2
    assert "MIT license." in shown.splitlines()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """Of an environment with the wheel, the lowest versions that it allows, and nothing else."""
    python = wheel.parent / "environment" / "bin" / "python"
    run(*UV, "venv", f"--python={sys.executable}", str(python.parents[1]))
    run(*UV_INSTALL, "--offline", f"--python={python}", f"--requirement={CLIENT_LOWEST}")
    run(*UV, "pip", "install", "--no-index", "--no-deps", f"--python={python}", str(wheel))
    return python


def test_wheel_alone_is_imported_without_the_cdk_and_the_constructs(wheel: Path, python: Path) -> None:
    run(*UV, "pip", "check", f"--python={python}")
    said = run(str(python), "-W", "error", "-c", ALONE).splitlines()
    assert said == ["[]", f"{metadata(wheel)['Version']} 3.3.6 3.3.6 1.35.74"]


def test_lowest_versions_that_the_wheel_allows_go_to_the_other_region(python: Path) -> None:
    """The database and its endpoints are of this Python's environment, the client and what it needs of the other."""
    [lowest] = python.parents[1].glob("lib/*/site-packages")
    assert run(sys.executable, "-W", "error", "-c", FAILOVER, str(lowest), cwd=ROOT).split() == ["3.3.6", "3.2.6"]
