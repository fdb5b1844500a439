from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dsql_dr_constructs.runtime.database_role import handler
from tests.runtime.database_role.emulated_pair import event

ASSET = Path(handler.__file__).parents[2]
INVOKE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from runtime.database_role.handler import handle
assert not {"boto3", "aws_cdk", "dsql_dr_constructs"} & {*sys.modules}
handle(json.loads(sys.argv[2]), None)
"""


def test_function_finds_its_clusters_and_its_budget_in_its_variables() -> None:
    done = invoked(event("Create", {"Role": "r"}))
    assert "RoleError: Database role 'r': 127.0.0.1 (status unknown (GetCluster: no answer)): " in done.stderr
    assert "What had been done could not be taken back" in done.stderr
    log = json.loads(done.stdout)
    assert (log["role"], log["request"], log["changed"]) == ("r", "Create", [])
    assert log["failure"] in done.stderr


def test_to_wake_a_cluster_the_function_tries_that_of_its_own_region_alone() -> None:
    done = invoked({"action": "wake"})
    log = json.loads(done.stdout)
    assert (log["action"], log["awake"], log["job"]) == ("wake", False, None)
    assert log["failure"] in done.stderr
    assert "RoleError: Cluster c, to be woken for its backup: 127.0.0.1 (status unknown" in done.stderr
    assert "127.0.0.2" not in done.stderr
    assert log["failure"].endswith("Invoke the function again when one of the endpoints serves.")


def invoked(request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """With no AWS and no endpoint; secrets are nowhere in what it says."""
    arns = [f"arn:aws:dsql:{region}:111122223333:cluster/c" for region in ("us-east-1", "us-west-2")]
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG"))},
        **nobody,
        "CLUSTERS": json.dumps([{"arn": arn, "endpoint": f"127.0.0.{n}"} for n, arn in enumerate(arns, 1)]),
        "BUDGET_SECONDS": "1.5",
    }
    command = [sys.executable, "-c", INVOKE, str(ASSET), json.dumps(request)]
    done = subprocess.run(command, env=variables, check=False, capture_output=True, text=True)
    for secret in ("s3cret", "X-Amz"):
        assert secret not in done.stdout + done.stderr
    return done
