"""An endpoint that can fail: a TCP proxy before a real PostgreSQL, in a process of its own.

`FaultyEndpoint` starts it; run as a program, it reads a mode from each line of its input.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HEALTHY, REFUSED, RESET, BLACK_HOLE, SLOW = "healthy", "refused", "reset", "black-hole", "slow"
SLOW_SECONDS = 0.03
_ROOT = Path(__file__).parents[2]


class FaultyEndpoint:
    """A proxy to the socket of a PostgreSQL, on a port of loopback.

    Args:
        target: Path of that socket.
    """

    def __init__(self, target: str) -> None:
        command = [sys.executable, "-m", "tests.client.faulty_endpoint", target]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        self.port: int = self._answer()["port"]
        self.mode = HEALTHY

    def set(self, mode: str) -> dict[str, Any]:
        """Change the mode. The answer: ``peak``, connections open at once, and ``opened``, when each was accepted."""
        assert self._process.stdin
        self._process.stdin.write(f"{mode}\n")
        self._process.stdin.flush()
        self.mode = mode
        return self._answer()

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


class _Proxy:
    """Connections in pairs: from a client, and to the database."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._mode = HEALTHY
        self._kept = socket.socket()  # bound and not listening, it keeps the port also while that is refused
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._lost: set[asyncio.StreamWriter] = set()
        self._opened: list[float] = []
        self._peak = 0
        self._draw = random.Random(1)  # noqa: S311 - no secret

    async def listen(self) -> dict[str, Any]:
        self._server = await asyncio.start_server(self._connection, *self._kept.getsockname())
        return {"port": self._kept.getsockname()[1]}

    async def change(self, mode: str) -> dict[str, Any]:
        self._mode = mode
        if mode == REFUSED and self._server:
            self._server.close()
            self._server = None
        elif mode != REFUSED and not self._server:
            await self.listen()
        for one in list(self._clients if mode == REFUSED else self._lost):
            _reset(one)
        return {"opened": self._opened, "peak": self._peak}

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self._opened.append(time.monotonic())
        self._peak = max(self._peak, len(self._clients))
        try:
            from_database, to_database = await asyncio.open_unix_connection(self._target)
            try:
                both = (self._pass_on(reader, to_database, writer), self._pass_on(from_database, writer, writer))
                tasks = [asyncio.ensure_future(one) for one in both]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for one in tasks:
                    one.cancel()
            finally:
                to_database.close()
        finally:
            self._clients.discard(writer)
            self._lost.discard(writer)
            writer.close()

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                mode = self._mode
                if mode == BLACK_HOLE or client in self._lost:
                    self._lost.add(client)  # what was lost leaves a connection that is of no use
                    continue
                if mode == SLOW:
                    await asyncio.sleep(SLOW_SECONDS)
                if mode == RESET and self._draw.random() < 0.2:
                    if self._draw.random() < 0.5:  # it has arrived, and the answer is lost
                        target.write(data)
                        await target.drain()
                        await asyncio.sleep(0.01)
                    _reset(client)
                    return
                target.write(data)
                await target.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    own: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _main(target: str) -> None:
    proxy = _Proxy(target)
    say(await proxy.listen())
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        say(await proxy.change(line.decode().strip()))


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
