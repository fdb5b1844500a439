from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from dsql_dr_constructs.emulator import server
from dsql_dr_constructs.emulator.credentials import Credentials
from dsql_dr_constructs.emulator.server_environment import server_environment

PROGRAM = """
import socket, sys
from dsql_dr_constructs.emulator import server

async def serve(app, listener):
    socket.socket().bind(("0.0.0.0", 0))

server.build, server._serve = lambda options, owner: None, serve
sys.argv = ["server", "--socket=0"]
server.main()
"""


def test_process_has_of_the_users_environment_what_it_needs_to_start() -> None:
    wanted = {"PATH": "/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC", "PYTHONPATH": "/src", "LD_LIBRARY_PATH": "/lib"}
    unwanted = ["SECRET", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "MY_PATH", "PATHS", "PGPASSWORD", "NPM_TOKEN", "HOME"]
    user = wanted | dict.fromkeys(unwanted, "secret")
    here = Path("/here")
    found = server_environment(user, here, programs=[Path("/node")], port=1, region="us-east-1", wait_scale=1.0)
    assert "secret" not in found.values()
    assert {name: found[name] for name in wanted} == wanted | {"PATH": "/node:/bin"}
    assert (found["HOME"], found["TMPDIR"]) == ("/here", "/here")


def test_listener_on_every_interface_is_refused() -> None:
    with socket.socket() as one, socket.socket(socket.AF_INET6) as other:
        for listener, host in ((one, "0.0.0.0"), (one, ""), (other, "::")):  # noqa: S104 - to be refused
            with pytest.raises(PermissionError, match=f"listens on loopback only, and not on {host!r}"):
                server._stay_on_loopback("socket.bind", (listener, (host, 8883)))
        server._stay_on_loopback("socket.bind", (one, ("127.0.0.1", 8883)))
        server._stay_on_loopback("socket.connect", (one, ("192.0.2.1", 443)))


def test_process_is_held_to_that_before_it_serves() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdin
        assert started.stderr
        started.stdin.write(json.dumps(asdict(Credentials.random())) + "\n")
        started.stdin.flush()
        assert "PermissionError: This local AWS emulator listens on loopback only" in started.stderr.read()
