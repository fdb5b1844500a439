"""Ends the emulator's processes and removes its folder, also when the program that started it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import contextlib, os, shutil, signal, sys, time
group = sys.stdin.read()  # until the other end is closed, or its process ends
if group:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int(group), signal.SIGKILL)
for _ in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(0.1)
"""


class Cleanup:
    """A separate process, in another process group, that waits for the end of this one or for `run`.

    Args:
        directory: The folder that it removes, after the processes that may write to it.
    """

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # or the readers of our output would wait for its end
            stderr=subprocess.DEVNULL,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )

    def also_kill(self, group: int) -> None:
        """Kill this process group first: it has the processes that the server starts, which may outlive it."""
        assert self._process.stdin  # noqa: S101 - a pipe, as asked for
        self._process.stdin.write(b"%d" % group)

    def run(self) -> None:
        """Kill, remove, and return when it is done."""
        assert self._process.stdin  # noqa: S101 - a pipe, as asked for
        self._process.stdin.close()
        self._process.wait()
