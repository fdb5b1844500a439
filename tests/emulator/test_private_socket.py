"""A PostgreSQL without a password: refused where other users have access to it, and where it is too old."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.cli import command_line
from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.private_socket import check_postgresql, private_socket


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a socket in it to which everybody may write; not in the tests' own, to which others have no access."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name, socket.socket(socket.AF_UNIX) as listener:
        path = Path(name, ".s.PGSQL.5432")
        listener.bind(str(path))
        path.chmod(0o777)
        yield Path(name)


@pytest.mark.parametrize("given", ["127.0.0.1:5432", "localhost:5432", "5432", "/here", "/here:", "here:5432", ":5432"])
def test_address_that_is_no_folder_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=f"postgresql is {given!r}: give the folder of its unix socket"):
        AwsEmulator(regions=["us-east-1"], postgresql=given)


def test_socket_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=rf"there is no socket {folder}/\.s\.PGSQL\.5433: start PostgreSQL first"):
        AwsEmulator(regions=["us-east-1"], postgresql=f"{folder}:5433")


def test_socket_that_every_user_may_reach_is_refused(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(ValueError, match="to which every user of this machine has access, without a password"):
        AwsEmulator(regions=["us-east-1"], postgresql=f"{folder}:5432")


@pytest.fixture
def answer() -> Iterator[Callable[..., str]]:
    """Serves one connection on a private socket, whatever it asks for, and gives its address."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen()

        def serve(*messages: tuple[bytes, bytes]) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"".join(kind + struct.pack("!i", len(text) + 4) + text for kind, text in messages))
                while connection.recv(1000):
                    pass

        def start(*messages: tuple[bytes, bytes]) -> str:
            threading.Thread(target=serve, args=messages, daemon=True).start()
            return f"{folder}:5432"

        yield start


def test_version_that_is_older_than_dsqls_is_refused_before_anything_starts(answer: Callable[..., str]) -> None:
    at = answer(*welcome("15.4"))
    with pytest.raises(ValueError, match=f"'{at}', which is PostgreSQL 15: use version 16, as Aurora DSQL has it"):
        AwsEmulator(regions=["us-east-1"], postgresql=at)


@pytest.mark.parametrize("version", ["16.0", "18beta1"])
def test_version_of_dsql_and_newer_ones_are_taken(answer: Callable[..., str], version: str) -> None:
    check_postgresql(answer(*welcome(version)))


def test_one_that_refuses_postgres_is_refused(answer: Callable[..., str]) -> None:
    at = answer((b"E", b'SFATAL\0VFATAL\0C28000\0Mrole "postgres" does not exist\0\0'))
    with pytest.raises(ValueError, match=f"'{at}', and postgres cannot connect .*: .*role \"postgres\" does not exist"):
        AwsEmulator(regions=["us-east-1"], postgresql=at)


@pytest.mark.parametrize("command", ["rehearse", "faults"])
def test_command_says_so_before_it_deploys(
    answer: Callable[..., str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command_line.main([command, "--postgresql", answer(*welcome("15.4"))])
    assert "which is PostgreSQL 15: use version 16" in capsys.readouterr().err


def welcome(version: str) -> list[tuple[bytes, bytes]]:
    """AuthenticationOk, server_version, ReadyForQuery."""
    return [(b"R", bytes(4)), (b"S", b"server_version\0" + version.encode() + b"\0"), (b"Z", b"I")]


@pytest.mark.parametrize(("of_folder", "of_socket"), [(0o700, 0o777), (0o750, 0o777), (0o755, 0o700)])
def test_socket_that_others_may_not_reach_is_taken(folder: Path, of_folder: int, of_socket: int) -> None:
    (folder / ".s.PGSQL.5432").chmod(of_socket)
    folder.chmod(of_folder)
    assert private_socket(f"{folder}:5432") == folder / ".s.PGSQL.5432"


def test_folder_inside_a_private_one_is_private(folder: Path) -> None:
    inner = folder / "run"
    inner.mkdir(mode=0o777)
    (folder / ".s.PGSQL.5432").rename(inner / ".s.PGSQL.5432")
    assert private_socket(f"{inner}:5432") == inner / ".s.PGSQL.5432"
