from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import INDEX, UV
from tests.wheel import build_wheel


@pytest.fixture(scope="session")
def with_cli_extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment with ``dsql-dr-constructs[cli]`` and nothing else, not even Node.js."""
    folder = tmp_path_factory.mktemp("with-cli-extra")
    build_wheel(folder)
    environment = folder / "environment"
    subprocess.run([*UV, "venv", "--quiet", f"--python={sys.executable}", str(environment)], check=True)
    install = [*UV, "pip", "install", "--quiet", "--no-index", f"--find-links={INDEX}", f"--find-links={folder}"]
    subprocess.run([*install, f"--python={environment}", "dsql-dr-constructs[cli]"], check=True)
    return environment / "bin"
