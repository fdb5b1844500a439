"""The socket of a PostgreSQL without a password: refused where other users have access."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.private_socket import private_socket


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
