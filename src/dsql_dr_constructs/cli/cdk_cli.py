"""The real CDK CLI, in the one version that this library is tried with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..emulator.aws_emulator import ACCOUNT, AwsEmulator, node


class CdkError(Exception):
    """The CDK CLI failed; the text is its output."""


@dataclass(frozen=True)
class NpmPackage:
    """A package from npm beside this Python, as a lock has it; nothing global is changed, and no script of it is run.

    Args:
        name: Its name in npm.
        locked: Folder with package.json and package-lock.json; all packages that they name are installed together.
    """

    name: str
    locked: Path

    @property
    def folder(self) -> Path:
        """Where its files are, once installed."""
        return self._modules / self.name

    @property
    def stamp(self) -> Path:
        """A file that exists once it is installed, and is removed when npm installs another lock."""
        return self._modules / f".installed-{sha256((self.locked / _LOCK).read_bytes()).hexdigest()[:16]}"

    @property
    def _modules(self) -> Path:
        return Path(sys.prefix) / "lib" / "npm" / self.locked.name / "node_modules"

    def install(self) -> None:
        """Download and install it, if this was not done yet.

        Raises:
            CdkError: npm failed, or downloaded a file whose hash is not the lock's; the text is npm's output.
        """
        if self.stamp.exists():
            return
        npm = Path(node()).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        home = self._modules.parent
        home.mkdir(parents=True, exist_ok=True)
        for one in ("package.json", _LOCK):
            shutil.copy(self.locked / one, home)
        done = subprocess.run(
            [node(), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", f"--prefix={home}"],
            env={"NODE_USE_SYSTEM_CA": "1", **os.environ},  # the machine's certificates, as pip trusts them
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CdkError(f"npm could not install {self.name} from {self.locked}:\n{done.stdout}{done.stderr}")
        self.stamp.touch()


_LOCK = "package-lock.json"
LOCKED = Path(__file__).parent / "npm"
"""The locks of all packages from npm, with the hash of each file."""

CDK_CLI = NpmPackage("aws-cdk", LOCKED / "aws-cdk")
"""One version: npm's tag ``latest`` cannot read the assemblies of every aws-cdk-lib that this library allows."""


class CdkCli:
    """Runs the CDK CLI on one app against the local AWS emulator.

    Args:
        aws: Where the app is deployed.
        folder: The app's folder, with its cdk.json.
        app: How the app is run, as in ``cdk --app``. Default: as in cdk.json.
        output: Folder for the assembly. Default: one of the emulator's, which is removed with it.
        context: Context values, as in ``cdk --context``. Default: none.
        change_sets: Whether stacks are deployed by change sets, as by ``cdk deploy``, or directly, which is faster.
            Default: by change sets.
        on_line: Called with each line that the CLI writes. Default: not called.
    """

    def __init__(
        self,
        aws: AwsEmulator,
        folder: Path,
        *,
        app: str | None = None,
        output: Path | None = None,
        context: Mapping[str, str] | None = None,
        change_sets: bool = True,
        on_line: Callable[[str], object] = lambda line: None,
    ) -> None:
        CDK_CLI.install()
        self._aws = aws
        self._folder = folder
        self._method = [] if change_sets else ["--method=direct"]
        self._on_line = on_line
        self.output = output or aws.directory / f"cdk.out-{folder.name}"
        self._options = [
            f"--output={self.output}",
            *([f"--app={app}"] if app else []),
            *(f"--context={key}={value}" for key, value in (context or {}).items()),
        ]

    def synthesized(self) -> CdkCli:
        """The same app as it was last synthesized, so that the next commands do not synthesize it again."""
        app, change_sets = str(self.output), not self._method
        return CdkCli(
            self._aws, self._folder, app=app, output=self.output, change_sets=change_sets, on_line=self._on_line
        )

    def bootstrap(self) -> str:
        """Bootstrap every Region of the emulator for the CDK."""
        environments = [f"aws://{ACCOUNT}/{region}" for region in self._aws.regions]
        return self.run("bootstrap", *environments)

    def deploy(self, *stacks: str) -> str:
        """Deploy *stacks*, by default all, those of Stages included, and what they depend on."""
        options = ("--require-approval=never", "--progress=events", "--concurrency=4", *self._method)
        return self.run("deploy", *(stacks or ["**"]), *options)

    def destroy(self, *stacks: str) -> str:
        """Destroy *stacks*, by default all, those of Stages included, and what depends on them."""
        return self.run("destroy", *(stacks or ["**"]), "--force")

    def run(self, *arguments: str) -> str:
        """The output of the CLI.

        Raises:
            CdkError: it did not exit with 0.
        """
        written = []
        with self.start(*arguments) as process:
            try:
                for line in process.stdout or ():
                    written.append(line)
                    self._on_line(line.rstrip())
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise CdkError("".join(written))
        return "".join(written)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The CLI as a running process."""
        script = CDK_CLI.folder / "bin" / "cdk"
        common = ["--ci", "--no-color", "--no-notices", "--no-version-reporting"]
        quiet = {
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        return subprocess.Popen(
            [node(), str(script), *arguments, *self._options, *common],
            cwd=self._folder,
            env={**self._aws.environment(), **quiet},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
