"""The command `dsql-dr`, with and without the extras that its commands need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dsql_dr_constructs.cli import command_line, status
from tests.tools import LOWEST, ROOT


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.devnull, **variables}
    return subprocess.run([*map(str, command)], env=environment, check=False, capture_output=True, text=True)


def test_every_command_is_in_the_help(with_cli_extra: Path) -> None:
    done = run(with_cli_extra / "dsql-dr", "--help")
    assert done.returncode == 0, done.stderr
    assert "{rehearse,cost,dashboard,status,test-notifications,drill,evacuate,faults,backups,restore}" in done.stdout


@pytest.mark.parametrize("command", ["rehearse", "cost", "dashboard"])
def test_command_that_needs_the_emulator_says_which_extra_to_install(with_cli_extra: Path, command: str) -> None:
    assert run(with_cli_extra / "dsql-dr", command, "--help").returncode == 0
    done = run(with_cli_extra / "dsql-dr", command)
    assert (done.returncode, done.stdout) == (1, "")
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("The local AWS emulator needs packages that are not installed (hypercorn, ministack, ")
    assert sentence.endswith('): run pip install "dsql-dr-constructs[cli,emulator]".')


def test_emulator_without_its_extra_says_which_extra_to_install(with_cli_extra: Path) -> None:
    done = run(with_cli_extra / "python", "-c", "from dsql_dr_constructs.emulator import AwsEmulator")
    assert done.returncode == 1
    *_, sentence = done.stderr.splitlines()
    assert "MissingExtraError: The local AWS emulator needs packages that are not installed (hypercorn" in sentence
    assert sentence.endswith('): run pip install "dsql-dr-constructs[cli,emulator]".')


def test_command_without_its_extra_says_which_extra_to_install() -> None:
    code = "from dsql_dr_constructs.cli.command_line import main; main(['status', 'Orders-production'])"
    done = run(LOWEST, "-c", code, PYTHONPATH=str(ROOT / "src"))  # an environment without extras
    assert done.returncode == 1
    assert done.stderr == (
        "The command dsql-dr needs packages that are not installed (boto3, rich): run pip install "
        '"dsql-dr-constructs[cli]".\n'
    )


def test_start_of_the_command_imports_neither_the_cdk_nor_the_emulator(with_cli_extra: Path) -> None:
    done = run(with_cli_extra / "dsql-dr", "status", "--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "dsql_dr_constructs.cli.rehearse" in imported
    assert imported & {"aws_cdk", "jsii", "dsql_dr_constructs.emulator"} == set()


FOLDER = "is not a folder: give the one that has the app, with its cdk.json."
PICTURE = "is not a file that can be written: give a name that ends with .html or .png, in a folder that exists."
AMOUNT = "is not an amount: give a number from 0 to 1e+15."
DEPLOYMENT = "is not the name of a deployment: give letters, digits, '-' and '_', as in its stacks' names."


@pytest.mark.parametrize(
    ("arguments", "wrong", "sentence"),
    [
        *((f"{command} nonexisting", "nonexisting", FOLDER) for command in ("rehearse", "cost", "dashboard")),
        ("cost app.py", "app.py", FOLDER),
        *((f"dashboard --output={one}", one, PICTURE) for one in ("no/dir/x.html", "x.pdf", "x", "folder.html")),
        *((f"cost --tx-per-second {one}", one, AMOUNT) for one in ("-5", "nan", "inf", "1e16", "many")),
        *((f"cost --{one}=-1", "-1", AMOUNT) for one in ("written-bytes", "read-bytes", "compute-ms", "storage-gb")),
        *((f"status --region=us-east-1 {one}", one, DEPLOYMENT) for one in ("/dsql-dr/Orders", "arn:aws:dsql")),
    ],
)
def test_wrong_argument_is_a_sentence_before_anything_starts(
    tmp_path: Path, arguments: str, wrong: str, sentence: str
) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / "folder.html").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", *arguments.split()],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f": {wrong!r} {sentence}\n"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_that_arrives_while_an_object_is_finalized_is_not_lost(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def waiting(*_: object) -> bool:
        Closed()
        return not threading.Event().wait(60)

    monkeypatch.setattr(status, "status", waiting)
    before = signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    hook = sys.unraisablehook
    try:
        with pytest.raises(SystemExit) as ended:
            command_line.main(["status", "Orders-production"])
    finally:
        signal.signal(number, before)
    assert ended.value.code == 128 + number
    assert sys.unraisablehook is hook
