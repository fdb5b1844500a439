"""The service in one Region: a function with a URL that only this account can call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

import dsql_dr_client
from dsql_dr_constructs import DatabasePrivilege, MultiRegionDsqlDr

SERVICE = Path(__file__).parent / "service"
CLIENT = Path(dsql_dr_client.__file__).parent
"""Pure Python, so that it is the same here and in Lambda: the function gets the version that this app has."""


class OrdersStack(cdk.Stack):
    def __init__(self, scope: Construct, id: str, *, pair: MultiRegionDsqlDr, **options: Any) -> None:
        super().__init__(scope, id, **options)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler="handler.handle",
            code=with_requirements(SERVICE),
            memory_size=512,
            timeout=cdk.Duration.seconds(25),
            log_group=logs.LogGroup(
                self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
            ),
            environment={"DEPLOYMENT": pair.deployment_name},
        )
        pair.grant_read_parameters(self.function)  # its endpoints, and whether a Region is evacuated
        # to both, so that it can fail over; and the tables that schema.py creates later, too
        pair.grant_connect(self.function, role="orders", privileges=[DatabasePrivilege.read_write()])
        url = self.function.add_function_url(auth_type=lambda_.FunctionUrlAuthType.AWS_IAM)
        cdk.CfnOutput(self, "Url", value=url.url)


def with_requirements(folder: Path) -> lambda_.Code:
    """*folder* with the client and what requirements.txt names, installed by pip for Lambda; no Docker is needed.

    requirements.txt is a lock: what has another hash is refused. Nothing is built, since that would run its code here.
    """
    return lambda_.Code.from_asset(
        str(folder),
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("unused"),
            local=_Pip(folder),
            # no variables that anything reads: another client or platform makes another asset
            environment={
                "CLIENT": cdk.FileSystem.fingerprint(str(CLIENT), exclude=["__pycache__"]),
                "PLATFORM": " ".join(for_lambda() or [sysconfig.get_platform(), sys.version]),
            },
        ),
    )


def for_lambda() -> list[str]:
    """pip's options for the function's platform; none for the local AWS emulator, which runs it on this machine."""
    if "AWS_ENDPOINT_URL" in os.environ:
        return []
    return ["--platform=manylinux_2_28_aarch64", "--python-version=3.13"]  # Amazon Linux 2023 has glibc 2.34


@jsii.implements(cdk.ILocalBundling)
class _Pip:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def try_bundle(self, output_dir: str, *, image: Any = None, **_: Any) -> bool:
        command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-deps"]
        where = [f"--target={output_dir}", f"--requirement={self._folder / 'requirements.txt'}"]
        subprocess.run([*command, *for_lambda(), "--quiet", "--disable-pip-version-check", *where], check=True)
        for one in self._folder.glob("*.py"):
            (Path(output_dir) / one.name).write_bytes(one.read_bytes())
        shutil.copytree(CLIENT, Path(output_dir) / CLIENT.name, ignore=shutil.ignore_patterns("__pycache__"))
        return True
