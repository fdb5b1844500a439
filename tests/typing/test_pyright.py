from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dsql_dr_constructs.emulator.aws_emulator import node
from tests.tools import PYRIGHT

HERE = Path(__file__).parent


@pytest.mark.parametrize("user", ["api.py", "client.py"])
def test_typed_user_of_pyright_has_nothing_to_complain_of(user: str) -> None:
    script = PYRIGHT.folder / "index.js"
    done = subprocess.run(
        [node(), str(script), "--outputjson", f"--pythonpath={sys.executable}", str(HERE / user)],
        cwd=HERE,
        check=False,
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    assert report["generalDiagnostics"] == []
