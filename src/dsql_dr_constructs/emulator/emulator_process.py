"""The process that the local AWS emulator runs in: started on a free port, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from . import control
from .cleanup import Cleanup
from .credentials import Credentials
from .server_environment import server_environment

_STARTS_WITHIN = 60.0


class EmulatorProcess:
    """It can be started again after it was stopped, on another port and in another folder.

    Args:
        options: Arguments of the server's program.
        owner: Whose credentials it accepts; they are written to its standard input.
        programs: Folders that are first in its PATH.
        region: Its default Region.
        wait_scale: Factor on the waits of Step Functions.
    """

    def __init__(
        self, options: Sequence[str], owner: Credentials, *, programs: Sequence[Path], region: str, wait_scale: float
    ) -> None:
        self._options = options
        self._owner = owner
        self._programs = programs
        self._region = region
        self._wait_scale = wait_scale
        self.process: subprocess.Popen[bytes] | None = None
        """The running process; None before and after."""
        self._cleanup: Cleanup | None = None
        self._directory: Path | None = None
        self.endpoint = ""
        """URL of all services, once it runs."""

    @property
    def directory(self) -> Path:
        """A folder that is removed when the process stops."""
        if not self._directory:
            raise RuntimeError("This AwsEmulator is not running: use it inside its with block.")
        return self._directory

    def log(self) -> str:
        """The output of the process."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process, and return when it answers."""
        try:
            self._start()
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process and all processes that it started. A second call does nothing."""
        try:
            if self.process:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(timeout=3)
        finally:
            if self._cleanup:
                self._cleanup.run()
        if self.process:
            self.process.wait()
        self.process = self._cleanup = self._directory = None

    def _start(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="aws-emulator-"))
        self._cleanup = Cleanup(self._directory)
        with socket.socket() as listener:
            # asyncio does not set it for a given socket, and then each answer takes 40 ms longer
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen(256)
            port = listener.getsockname()[1]
            self.endpoint = f"http://127.0.0.1:{port}"
            environment = server_environment(
                os.environ,
                self._directory,
                programs=self._programs,
                port=port,
                region=self._region,
                wait_scale=self._wait_scale,
            )
            command = [sys.executable, "-m", f"{__package__}.server", f"--socket={listener.fileno()}"]
            with (self._directory / "log").open("wb") as log:
                self.process = subprocess.Popen(
                    [*command, *self._options],
                    env=environment,
                    cwd=self._directory,
                    stdin=subprocess.PIPE,
                    bufsize=0,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
            self._cleanup.also_kill(self.process.pid)
            assert self.process.stdin  # noqa: S101 - a pipe, as above
            with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:  # if it has ended, the log says why
                pipe.write(json.dumps(asdict(self._owner)).encode() + b"\n")

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                control.call(self.endpoint, self._owner, "GET", "health")
            except OSError:
                dead = self.process is None or self.process.poll() is not None
                if dead or time.monotonic() > until:
                    raise RuntimeError(f"The local AWS emulator did not start. Its output:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return
