"""Imports go down only, and some of them do without the CDK or the emulator, by the contracts in pyproject.toml."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools import ROOT
from tests.wheel import PROJECTS

LINT_IMPORTS = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]

UP = {
    "dsql_dr_constructs/runtime/aws_errors": "def one():\n    from dsql_dr_constructs import MultiRegionDsqlDr",
    "dsql_dr_constructs/clusters/cluster_options": "def one():\n    from dsql_dr_constructs import MultiRegionDsqlDr",
    "dsql_dr_constructs/emulator/faults": "from .. import RegionalCluster",
    "dsql_dr_constructs/cli/prices": "import dsql_dr_constructs",
    "dsql_dr_constructs/clusters/regional_cluster": (
        "if TYPE_CHECKING:\n    from ..multi_region_dsql_dr import MultiRegionDsqlDr"
    ),
    "dsql_dr_constructs/backup/wake_rule": "from ..monitoring.health_alarms import HealthAlarms",
    "dsql_dr_constructs/monitoring/alarm_actions": "from ..drill.drill_options import DrillOptions",
    "dsql_dr_constructs/clusters/peered_sides": "from ..monitoring.health_alarms import HealthAlarms",
    "dsql_dr_constructs/runtime/parameter_registry": "from ..physical_names import peering_name",
    "dsql_dr_constructs/regions": "from .clusters import regional_cluster",
    "dsql_dr_constructs/emulator/operation": "from ..cli import survey",
    "dsql_dr_constructs/runtime/cluster_peering/repair": "import aws_cdk",
    "dsql_dr_constructs/cli/status": "from ..emulator.faults import Fault",
    "dsql_dr_constructs/cli/pair_status": "import markdown_it",
    "dsql_dr_constructs/cli/command_line": "def one():\n    import trustme",
    "dsql_dr_constructs/runtime/evacuation": "from dsql_dr_client import FailoverPool",
    "dsql_dr_client/_errors": "from dsql_dr_constructs.runtime import parameter_registry",
    "dsql_dr_client/_events": "import aws_cdk",
    "dsql_dr_client/_pool": "from dsql_dr_client import FailoverPool",
}
"""An import of each kind that is not allowed, and the module that it is written into."""


def lint_imports(*sources: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    return subprocess.run(LINT_IMPORTS, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def test_every_import_keeps_to_the_layers() -> None:
    done = lint_imports(*(folder / "src" for folder in PROJECTS.values()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 5 kept, 0 broken." in done.stdout


def test_import_that_goes_up_breaks_a_contract(tmp_path: Path) -> None:
    for package in PROJECTS:
        shutil.copytree(PROJECTS[package] / "src" / package, tmp_path / package)
    lines = set()
    for module, planted in UP.items():
        source = tmp_path / f"{module}.py"
        source.write_text(f"{source.read_text()}\n{planted}\n")
        lines.add((module.replace("/", "."), str(len(source.read_text().splitlines()))))
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "Contracts: 0 kept, 5 broken." in done.stdout
    assert lines - set(re.findall(r"([\w.]+) ->\s+[\w.]+\s+\(l\.(\d+)\)", done.stdout)) == set()
