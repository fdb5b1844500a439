"""The command ``dsql-dr restore``: a new pair from a recovery point and its copy, beside the pair that is there."""

from __future__ import annotations

import argparse
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ..physical_names import backup_vault_name
from . import aws_session, backups, pair_backups, restore_jobs
from .aws_session import Client
from .confirmation import NoTerminalError, confirmed
from .pair_backups import present_witnesses
from .pair_status import StatusError, cluster_arns
from .restore_errors import RestoreError
from .restore_plan import AWS_OWNED_KEY, Choice, choose

_REGION = r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "restore",
        help="restore a pair from a backup, as a new pair",
        description="Restore a pair from the newest recovery point that both Regions hold, as a new pair. The pair "
        "that is there is not touched. It exits with 0 once both new clusters are ready.",
    )
    aws_session.add_arguments(parser)
    backups.add_vault_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--at",
        type=_time,
        metavar="TIME",
        help="restore the newest recovery point that was created before TIME (ISO 8601; without a zone it is UTC)",
    )
    which.add_argument(
        "--recovery-point", type=aws_session.not_empty, metavar="ARN", help="restore this recovery point or its copy"
    )
    which.add_argument(
        "--job", type=aws_session.not_empty, metavar="ID", help="go on with a restore job that was started before"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--witness", type=_region, metavar="REGION", help="witness of the new pair; default: that of the present pair"
    )
    where.add_argument(
        "--single-region",
        type=_region,
        metavar="REGION",
        help="restore one cluster there instead, without a peer, to inspect it beside the pair",
    )
    parser.add_argument(
        "--key",
        type=_key,
        action="append",
        default=[],
        metavar="REGION=ARN",
        help=f"KMS key of the new cluster there, or {AWS_OWNED_KEY}; default: that of the present cluster",
    )
    parser.add_argument("--another", action="store_true", help="restore although there is a restored pair, or a job")
    parser.add_argument("--yes", action="store_true", help="do not ask before the restore is started")
    parser.set_defaults(command=restore)


def _time(given: str) -> datetime:
    try:
        found = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", given))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a time: give it as 2026-11-25T03:10:00Z, or with another zone as 2026-11-25T03:10+01:00."
        ) from None


def _region(given: str) -> str:
    if not re.fullmatch(_REGION, given):
        raise argparse.ArgumentTypeError(f"{given!r} is not a Region code: give one such as us-east-2.")
    return given


def _key(given: str) -> tuple[str, str]:
    region, _, key = given.partition("=")
    if not re.fullmatch(rf"arn:[a-z-]+:kms:{re.escape(region)}:[0-9]{{12}}:key/[A-Za-z0-9-]+|{AWS_OWNED_KEY}", key):
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a Region and its key: give REGION=ARN with the ARN of a key in that Region, not of an "
            f"alias, or REGION={AWS_OWNED_KEY}."
        )
    return region, key


def restore(options: argparse.Namespace, console: Console) -> bool:
    """Whether the new clusters are ready."""
    try:
        region, client = aws_session.region_and_clients(options)
        job = _job(options, region, client, console)
        if job is None:
            return False
        _end(*_followed(options, job, region, client, console), console)
    except (
        aws_session.NoRegionError,
        StatusError,
        pair_backups.BackupsError,
        RestoreError,
        NoTerminalError,
        BotoCoreError,
        ClientError,
    ) as error:
        console.print(str(error), soft_wrap=True)
        return False
    return True


def _job(options: argparse.Namespace, region: str, client: Client, console: Console) -> restore_jobs.Job | None:
    """The job of ``--job``, or a new one; ``None`` if it was not wanted."""
    vault = options.vault or backup_vault_name(options.deployment)
    regions = [one for one, _ in options.key]
    twice = [one for one in dict.fromkeys(regions) if regions.count(one) > 1]
    if twice:
        raise RestoreError(f"--key names {' and '.join(twice)} twice: give one key for each Region.")
    if options.job:
        return restore_jobs.find(options.job, _regions(options, region, client), vault, client)
    found = pair_backups.ask(options.deployment, region, client, peer_region=options.peer_region, vault=options.vault)
    choice = Choice(
        at=options.at,
        recovery_point=options.recovery_point,
        witness=options.witness,
        keys=dict(options.key),
        single_region=options.single_region,
    )
    plan = choose(found, choice)
    jobs = restore_jobs.of_deployment(found, plan, client)
    if not options.another:
        restore_jobs.refuse_another(plan, found, jobs, client)
    for line in plan.lines(found):
        console.print(line, soft_wrap=True)
    if not options.yes and not confirmed(console, "start this restore"):
        return None
    try:
        started, job_id = restore_jobs.start(plan, jobs, client)
    except (KeyboardInterrupt, SystemExit):
        console.print("Whether a restore job was started is not known: run the same command again, which finds it.")
        raise
    console.print(f"Restore job {job_id} was started in {started}. If this command ends before it, go on with")
    console.print(f"    {_command(options, started, job_id)}", soft_wrap=True)
    return restore_jobs.find(job_id, iter([started]), vault, client)


def _regions(options: argparse.Namespace, region: str, client: Client) -> Iterator[str]:
    """Where a job can be: the other Region is looked up only if the first does not have it."""
    yield region
    if options.peer_region:
        yield options.peer_region
    else:
        for arn in cluster_arns(options.deployment, region, client):
            if arn.split(":")[3] != region:
                yield arn.split(":")[3]


def _command(options: argparse.Namespace, region: str, job_id: str) -> str:
    given = {"--profile": options.profile, "--vault": options.vault}
    more = [part for name, value in given.items() if value for part in (name, value)]
    return shlex.join(["dsql-dr", "restore", options.deployment, "--region", region, "--job", job_id, *more])


def _followed(
    options: argparse.Namespace, job: restore_jobs.Job, region: str, client: Client, console: Console
) -> tuple[Mapping[str, str], set[str]]:
    """Witness by ARN of the new clusters, and the present pair's, as far as it is known."""
    try:
        with _progress(console) as report:
            clusters = restore_jobs.follow(options.deployment, job, client, report=report, pause=time.sleep)
        return clusters, set() if options.peer_region else present_witnesses(options.deployment, region, client)
    except (KeyboardInterrupt, SystemExit) as ended:
        command = _command(options, job.region, job.id)
        console.print(f"The restore goes on in AWS. See how it ends with\n    {command}", soft_wrap=True)
        raise ended if isinstance(ended, SystemExit) else SystemExit(130) from ended


@contextmanager
def _progress(console: Console) -> Iterator[restore_jobs.Report]:
    """One line that changes on a terminal; elsewhere a line whenever something has changed."""
    if console.is_terminal:
        with console.status("") as shown:
            yield shown.update
    else:
        last = [""]

        def report(line: str) -> None:
            if line != last[0]:
                console.print(f"{line}.", soft_wrap=True)
            last[0] = line

        yield report


def _end(clusters: Mapping[str, str], present_witnesses: set[str], console: Console) -> None:
    """*clusters*: witness by ARN."""
    for arn in clusters:
        console.print(f"Restored: {arn}", soft_wrap=True)
    if len(clusters) == 2:
        given = ", ".join(f'"{arn}"' for arn in clusters)
        console.print("Both clusters are ready, and no stack has them yet. Add this to MultiRegionDsqlDr, and deploy:")
        console.print(f"    cluster_arns=[{given}],", soft_wrap=True)
        if set(clusters.values()) != present_witnesses:
            console.print(f'    witness_region="{next(iter(clusters.values()))}",')
        console.print("    $ cdk deploy --all")
        return
    [arn] = clusters
    region, identifier = arn.split(":")[3], arn.rpartition("/")[2]
    console.print(
        "It has no peer and belongs to no stack. Its endpoint, and how to delete it after you have inspected it:"
    )
    console.print(f"    {identifier}.dsql.{region}.on.aws")
    at = f"--region {region} --identifier {identifier}"
    console.print(f"    $ aws dsql update-cluster {at} --no-deletion-protection-enabled", soft_wrap=True)
    console.print(f"    $ aws dsql delete-cluster {at}", soft_wrap=True)
