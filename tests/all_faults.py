"""`make faults`: every fault that the local AWS emulator can have, on two apps: with default options, and with all."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from dsql_dr_constructs.cli.fault_catalogue import FAULTS
from tests.postgresql import Postgresql

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
OF_THE_DEFAULT = {"without-sql", "deletion-protection"}
"""What faults may need that an app with default options has."""
NEITHER_APP = {"clusters-key-disabled", "functions-key-disabled", "delete-refused"}
"""They need topics under another key than clusters and monitors, or deletion protection, which would keep clusters."""
APP = """
import os

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from dsql_dr_constructs import BackupOptions, FailoverOptions, MonitoringOptions, MultiRegionDsqlDr

app = cdk.App()
keys = {}
for region in ("us-east-1", "us-west-2"):
    environment = cdk.Environment(account=os.environ["CDK_DEFAULT_ACCOUNT"], region=region)
    stack = cdk.Stack(app, f"Keys-{region}", env=environment)
    keys[region] = kms.Key(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY)
MultiRegionDsqlDr(
    app,
    "Orders",
    alert_emails=["ops@example.com"],
    encryption_keys=keys,
    monitoring=MonitoringOptions(sql_probe=True),
    backup=BackupOptions(),
    failover=FailoverOptions(),
)
app.synth()
"""


def main() -> int:
    """How many of the two contradict the list, or leave faults out that are not in simulated time only."""
    default = [one.name for one in FAULTS if one.needs <= OF_THE_DEFAULT]
    options = [one.name for one in FAULTS if not one.needs <= OF_THE_DEFAULT]
    failed = _faults([*default, str(QUICKSTART)])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as data:
        (Path(folder) / "app.py").write_text(APP)
        database = Postgresql(Path(data), auth="trust", default_transaction_isolation="repeatable read")
        try:
            app = f"--app={sys.executable} app.py"
            failed += _faults([*options, folder, app, f"--postgresql={database.unix_socket}"])
        finally:
            database.stop()
    return failed


def _faults(arguments: list[str]) -> int:
    command = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "faults"]
    ended = subprocess.run([*command, "--keep-going", "--json", *arguments], check=False, stdout=subprocess.PIPE)
    sys.stdout.write(ended.stdout.decode())
    if ended.returncode:
        return 1
    known = NEITHER_APP | {one.name for one in FAULTS if one.only_simulated}
    skipped = {one["name"] for one in json.loads(ended.stdout) if one["result"] == "skipped"} - known
    if skipped:
        sys.stdout.write(f"Not made, since neither app has what they need: {', '.join(sorted(skipped))}.\n")
    return int(bool(skipped))


if __name__ == "__main__":
    sys.exit(main())
