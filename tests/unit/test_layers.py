"""Imports go down only, and some of them do without the CDK or the emulator, by the contracts in pyproject.toml."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools import ROOT

LINT_IMPORTS = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]

UP = {
    "runtime/aws_errors": "def one():\n    from dsql_dr_constructs import MultiRegionDsqlDr",
    "clusters/cluster_options": "def one():\n    from dsql_dr_constructs import MultiRegionDsqlDr",
    "emulator/faults": "from .. import RegionalCluster",
    "cli/prices": "import dsql_dr_constructs",
    "clusters/regional_cluster": "if TYPE_CHECKING:\n    from ..multi_region_dsql_dr import MultiRegionDsqlDr",
    "backup/wake_rule": "from ..monitoring.health_alarms import HealthAlarms",
    "monitoring/alarm_actions": "from ..drill.drill_options import DrillOptions",
    "clusters/peered_sides": "from ..monitoring.health_alarms import HealthAlarms",
    "runtime/parameter_registry": "from ..physical_names import peering_name",
    "regions": "from .clusters import regional_cluster",
    "emulator/operation": "from ..cli import survey",
    "runtime/cluster_peering/repair": "import aws_cdk",
    "cli/status": "from ..emulator.faults import Fault",
    "cli/pair_status": "import markdown_it",
    "cli/command_line": "def one():\n    import trustme",
}
"""An import of each kind that is not allowed, and the module that it is written into."""


def lint_imports(sources: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    return subprocess.run(LINT_IMPORTS, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def test_every_import_keeps_to_the_layers() -> None:
    done = lint_imports(ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 4 kept, 0 broken." in done.stdout


def test_import_that_goes_up_breaks_a_contract(tmp_path: Path) -> None:
    package = shutil.copytree(ROOT / "src" / "dsql_dr_constructs", tmp_path / "dsql_dr_constructs")
    lines = set()
    for module, planted in UP.items():
        source = package / f"{module}.py"
        source.write_text(f"{source.read_text()}\n{planted}\n")
        lines.add((f"dsql_dr_constructs.{module.replace('/', '.')}", str(len(source.read_text().splitlines()))))
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "Contracts: 0 kept, 4 broken." in done.stdout
    assert lines - set(re.findall(r"([\w.]+) ->\s+[\w.]+\s+\(l\.(\d+)\)", done.stdout)) == set()
