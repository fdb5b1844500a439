"""Faults of the catalogue on a deployed pair, by the command: real functions, schedules, alarms and notifications."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "faults"]


def test_faults_are_made_compared_and_ended_one_after_the_other_on_one_pair() -> None:
    names = ["region-lost", "clock-wrong", "functions-key-disabled", "parameter-changed"]
    done = subprocess.run([*COMMAND, *names, str(QUICKSTART), "--json"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lost, wrong_clock, disabled_key, changed = json.loads(done.stdout)
    assert done.stderr.count("Deploying all stacks: done") == 1, "no fault has spoiled the pair"

    assert lost["result"] == changed["result"] == "as the catalogue says", done.stderr
    assert lost["seen"]["verdicts"] == {"primary": None, "secondary": "CLUSTER_DOWN primary"}
    assert changed["seen"]["verdicts"] == {"primary": "PARAMETERS_CHANGED", "secondary": "HEALTHY"}
    for one, kind, observer in (
        (lost, "cluster-down-primary", "secondary"),
        (changed, "parameters-changed", "primary"),
    ):
        [notified] = one["seen"]["during"]
        assert (notified["kind"], notified["observer"], notified["state"]) == (kind, observer, "ALARM")
        [over] = [each for each in one["seen"]["after"] if each["kind"] == kind]
        assert (over["observer"], over["state"]) == (observer, "OK")

    assert wrong_clock["result"] == disabled_key["result"] == "skipped"
    assert wrong_clock["reasons"][0].startswith("It is in simulated time only. ")
    assert disabled_key["reasons"][0].startswith("It needs an app whose monitors have a KMS key")
