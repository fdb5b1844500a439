"""What the kernel knows of the emulator's processes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def of_group(group: int) -> list[Path]:
    """Folders in /proc of the live processes of a group: the server leads it, and what it starts is in it."""
    return [one for one in Path("/proc").glob("[0-9]*") if _state_and_group(one) == ("live", group)]


def listening(group: int) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Address and port of each socket on which a process of the group listens."""
    inodes = {inode for process in of_group(group) for inode in _sockets(process)}
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTENS and inode in inodes:
                address, port = local.split(":")
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
                found.append((ipaddress.ip_address(b"".join(words)), int(port, 16)))
    return found


def _state_and_group(process: Path) -> tuple[str, int]:
    try:
        state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:  # it has just ended
        return "gone", 0
    return "gone" if state in "ZX" else "live", int(group)


def _sockets(process: Path) -> Iterator[str]:
    for one in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found = re.fullmatch(r"socket:\[(\d+)\]", str(one.readlink()))
            if found:
                yield found[1]
