"""What all Lambda functions of this library share: their code, their role, their log group."""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from aws_cdk import Duration, RemovalPolicy, Stack, Stage, custom_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from .extras import MissingExtraError, require_extra
from .resource_policies import admit, key_for_logs, refuse_unusable_key

_CODE = Path(__file__).parent
_WHAT_NEEDS_IT = "SQL in a Lambda function (database roles, sql_probe)"
_DRIVER, _NEED_DRIVER = "pg8000", ("runtime/database_session.py", "runtime/*/sql_*.py")


# Created when they are used: the first object of the CDK lets Node load aws-cdk-lib, and an import should not wait.


@cache
def runtime() -> lambda_.Runtime:
    """The newest that Lambda offers; for its Regions see `architecture`.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html (read 2026-11)
    """
    return lambda_.Runtime.PYTHON_3_14


@cache
def architecture() -> lambda_.Architecture:
    """The cheaper one.

    AWS publishes a layer for Python 3.14 on arm64 in every Region of `regions.MULTI_REGION`, also in ca-west-1 and
    eu-south-2, which began without arm64, and where Lambda then refused such layers.

    Source: https://aws-sdk-pandas.readthedocs.io/en/3.17.0/layers.html (read 2026-11)
    """
    return lambda_.Architecture.ARM_64


def runtime_code(scope: Construct, package: str, *, driver: bool = False) -> lambda_.Code:
    """The sources of ``runtime/<package>`` and the shared ones, without what differs from machine to machine.

    A handler in it is called ``runtime.<package>.<module>.<function>``.

    Args:
        scope: What has the function.
        package: Folder of the function.
        driver: Whether it speaks SQL: then pg8000, and what that requires, is copied from this Python's environment,
            with licenses (docs/adr/0018). Default: False.

    Raises:
        MissingExtraError: pg8000 is not installed here, or without the list of its files.
    """
    if driver:
        if not scope.node.try_get_context("aws:cdk:disable-asset-staging"):
            return lambda_.Code.from_asset(_with_driver(package))
        stage = Stage.of(scope)  # whose folder has to have what the template names, for a command that reads it later
        return lambda_.Code.from_asset(_with_driver(package, f"{stage.asset_outdir if stage else ''}/sql-{package}"))
    shipped = ["runtime", "runtime/*.py", f"runtime/{package}", f"runtime/{package}/*.py"]
    return lambda_.Code.from_asset(str(_CODE), exclude=["*", *(f"!{one}" for one in shipped), *_NEED_DRIVER])


@cache
def _with_driver(package: str, folder: str | None = None) -> str:
    """The same sources beside the driver's, in *folder*; by default in one that is deleted when this process ends."""
    require_extra("sql", _DRIVER, for_what=_WHAT_NEEDS_IT)
    if not folder:
        folder = mkdtemp(prefix="dsql-dr-")
        atexit.register(rmtree, folder, ignore_errors=True)
    sources = [one.relative_to(_CODE) for each in ("", package) for one in (_CODE / "runtime" / each).glob("*.py")]
    for source, name in [*((_CODE / one, one) for one in sources), *_driver_files(_DRIVER)]:
        target = Path(folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(0o644)  # whatever umask says: Lambda reads it as another user
        for one in list(target.parents)[: len(name.parts)]:
            one.chmod(0o755)
    return folder


def _driver_files(name: str, seen: frozenset[str] = frozenset()) -> Iterator[tuple[Path, Path]]:
    """Sources, metadata (it reads its own version) and licenses of a distribution and of what it requires."""
    distribution = metadata.distribution(name)
    if not distribution.files:
        raise MissingExtraError(
            f"{_WHAT_NEEDS_IT} needs {name} as pip installs it, and the one that is installed has no list of its "
            'files: install it by pip, with "dsql-dr-constructs[sql]".'
        )
    for one in distribution.files:
        about = one.parts[0].endswith(".dist-info")
        if one.name == "METADATA" or "licen" in str(one).lower() if about else one.suffix == ".py":
            yield Path(str(one.locate())), Path(one)
    for requirement in distribution.requires or ():
        needed = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement and needed not in seen:
            yield from _driver_files(needed, seen | {name, needed})


def deployment_function(
    scope: Construct,
    *,
    package: str,
    handler: str = "handle",
    function_name: str | None = None,
    description: str,
    environment: Mapping[str, str],
    role: iam.Role,
    log_group: logs.LogGroup,
    driver: bool = False,
) -> lambda_.Function:
    """The function of *scope* that a custom resource calls, with five minutes for each call.

    Args:
        scope: What has it.
        package: As in `runtime_code`.
        handler: Function in the package's module ``handler``. Default: handle.
        function_name: Physical name, for people and other stacks. Default: a generated one.
        description: What it is for.
        environment: Its environment variables.
        role: Its role.
        log_group: Its log group.
        driver: As in `runtime_code`.
    """
    return lambda_.Function(
        scope,
        "Function",
        function_name=function_name,
        description=description,
        runtime=runtime(),
        architecture=architecture(),
        memory_size=256,
        timeout=Duration.minutes(5),
        code=runtime_code(scope, package, driver=driver),
        handler=f"runtime.{package}.handler.{handler}",
        environment=dict(environment),
        role=role,
        log_group=log_group,
    )


def polling_provider(
    scope: Construct, function: lambda_.Function, log_group: logs.LogGroup, total_timeout: Duration
) -> custom_resources.Provider:
    """Calls *function* to begin a change, and every 10 seconds until it is done."""
    return custom_resources.Provider(
        scope,
        "Provider",
        on_event_handler=function,
        is_complete_handler=function,
        query_interval=Duration.seconds(10),
        total_timeout=total_timeout,
        log_group=log_group,
        disable_waiter_state_machine_logging=True,
        framework_on_event_role=function_role(scope, "FrameworkOnEventRole", log_group),
        framework_complete_and_timeout_role=function_role(scope, "FrameworkIsCompleteRole", log_group),
    )


def function_log_group(
    scope: Construct,
    id: str,
    *,
    log_group_name: str | None = None,
    retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
    encryption_key: kms.IKey | None = None,
) -> logs.LogGroup:
    """Deleted with its stack. CloudWatch Logs is added to the policy of *encryption_key*.

    Raises:
        ValueError: the key is one that AWS manages, or of another Region.
    """
    if encryption_key:
        refuse_unusable_key(scope, encryption_key, "a log group")
        statements = key_for_logs(Stack.of(scope))
        admit(scope, encryption_key, statements, "the log group cannot be created, and the deployment fails")
    return logs.LogGroup(
        scope,
        id,
        log_group_name=log_group_name,
        retention=retention,
        removal_policy=RemovalPolicy.DESTROY,
        encryption_key=encryption_key,
    )


@cache
def _lambda() -> iam.ServicePrincipal:
    return iam.ServicePrincipal("lambda.amazonaws.com")


def function_role(scope: Construct, id: str, log_group: logs.ILogGroup) -> iam.Role:
    """May write to *log_group*, and not create one: a log group created after its stack was deleted would stay."""
    role = iam.Role(scope, id, assumed_by=_lambda())
    log_group.grant_write(role)
    return role


def refuse_other_sizes(memory_size: float, reserved: float | None) -> None:
    """
    Raises:
        ValueError: Lambda has no such memory or concurrency. (A token is a float, and is not checked.)

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    """
    if isinstance(memory_size, int) and not 128 <= memory_size <= 10240:
        raise ValueError(f"memory_size is {memory_size}: 128 to 10240 MiB are allowed; 256 is the default.")
    if isinstance(reserved, int) and reserved < 0:
        raise ValueError(f"reserved_concurrent_executions is {reserved}: 0 or more are allowed; leave it out for none.")
