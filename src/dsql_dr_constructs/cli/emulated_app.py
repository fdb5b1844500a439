"""An app on the local AWS emulator: deployed, shown, drilled, repaired and destroyed, all by the real CDK CLI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Column, Table

from ..emulator.aws_emulator import ACCOUNT, AwsEmulator
from ..physical_names import peering_name
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from . import drill, drill_template, pair_status, survey
from .cdk_cli import CdkCli, CdkError
from .drill_checks import Request
from .drill_times import DrillTime
from .synthesized_app import accounts, stacks

_HEALTHY_WITHIN = 90.0


class EmulatedApp:
    """Each method is a step of the app's life, and shows what it does and finds.

    Args:
        aws: A fresh one; its Regions become those of the app's stacks.
        folder: The app's folder.
        app: How the app is run, as in ``cdk --app``. Default: as in cdk.json.
        console: Where it is shown: a line for each step, and on a terminal the last line of the step at work.
    """

    def __init__(self, aws: AwsEmulator, folder: Path, *, app: str | None, console: Console) -> None:
        self._aws = aws
        self._console = console
        self._show_line: Callable[[str], object] = lambda line: None
        self._source = CdkCli(aws, folder, app=app, on_line=lambda line: self._show_line(line))
        self._cdk = self._source
        self._retained: set[str] = set()

    def deploy(self) -> None:
        """Synthesize, bootstrap the Regions of its stacks, deploy all."""
        self._synthesize()
        with self._step(f"Bootstrapping {' and '.join(self._aws.regions)}"):
            self._cdk.bootstrap()
        with self._step("Deploying all stacks"):
            self._cdk.deploy()

    def show(self) -> None:
        """The clusters, and the SSM parameters as another team's stack reads them."""
        table = _table("Aurora DSQL clusters", "Region", "Cluster", "Status", "Endpoint", "Peer", "Witness")
        for one in survey.clusters(self._aws):
            peers = [f"{arn.split('/')[-1]} in {arn.split(':')[3]}" for arn in one["peers"]]
            witness = one.get("multiRegionProperties", {}).get("witnessRegion", "none")
            table.add_row(
                one["region"], one["identifier"], one["status"], one["endpoint"], ", ".join(peers) or "none", witness
            )
        self._print(table)
        for region in self._aws.regions:
            entries = survey.parameters(self._aws, region)
            table = _table(f"SSM parameters in {region}", "SSM parameter", "Value")
            for name, value in entries.items():
                table.add_row(name, value)
            self._print(table if entries else f"No SSM parameters in {region}.")

    def drill(self, objectives: Mapping[str, float], report: Path | None) -> bool:
        """``dsql-dr drill`` in the Region of the first cluster; whether it passed.

        Args:
            objectives: Seconds, by the name of a measure.
            report: Where the report is written. None: nowhere.
        """
        pairs = [one for one in survey.clusters(self._aws) if DEPLOYMENT_TAG in one.get("tags", {})]
        if not pairs:
            self._console.print("No drill: this app has no pair of Aurora DSQL clusters.")
            return False
        region, deployment = pairs[0]["region"], pairs[0]["tags"][DEPLOYMENT_TAG]
        try:
            drill_template.find(deployment, pairs[0]["arn"], self._client)
            minute = f"a minute of AWS takes {60 * self._aws.time_scale:g} s"
            with self._step(f"Waiting until the pair is healthy; {minute}"):
                self._wait_until_healthy(deployment, region)
            return drill.run(
                Request(deployment=deployment, region=region, objectives=objectives),
                self._client,
                self._console,
                report=report,
                yes=True,
                time=DrillTime(self._aws.time_scale),
            )
        except (drill_template.DrillError, pair_status.StatusError, BotoCoreError, ClientError) as error:
            self._console.print(f"No drill: {error}", soft_wrap=True)
            return False

    def _wait_until_healthy(self, deployment: str, region: str) -> None:
        """New alarms have no data yet. What stays wrong, the drill's own check says."""
        until = time.monotonic() + _HEALTHY_WITHIN
        while time.monotonic() < until and not pair_status.ask(deployment, region, self._client).healthy:
            time.sleep(0.5)

    def _client(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        return self._aws.client(service, region)

    def repair(self) -> bool:
        """Remove peers and SSM parameters, repair the pair by its command; whether all is as before."""
        before = (self._peers(), self._parameters())
        functions = [(region, name) for region in self._aws.regions for name in self._peering_functions(region)]
        if not functions:
            self._console.print("This app has no peering, so there is nothing to repair.")
            return True
        with self._step(f"Removing the peers of both clusters, and the SSM parameters in {self._aws.regions[-1]}"):
            self._damage()
        damaged = self._peers() != before[0]
        with self._step("Repairing the pair"):
            answers = [self._call_repair(region, name) for region, name in functions]
        for answer in answers:
            self._console.print("\n".join(answer.get("changed", [])) or str(answer), soft_wrap=True)
        repaired = damaged and before == (self._peers(), self._parameters())
        self._console.print(
            "Repaired: peers and SSM parameters are as before."
            if repaired
            else "The repair failed: peers or SSM parameters are not as before."
        )
        return repaired

    def destroy(self) -> bool:
        """Destroy all stacks; whether nothing is left but what their removal policies retain."""
        with self._step("Destroying all stacks"):
            self._cdk.destroy()
        left = survey.leftovers(self._aws)
        for resource_type, names in left.items():
            retained = ", retained by its removal policy" if resource_type in self._retained else ""
            self._console.print(f"Left{retained}: {resource_type} {', '.join(names)}", soft_wrap=True)
        if not left:
            self._console.print(f"Nothing is left in {' and '.join(self._aws.regions)}.")
        return set(left) <= self._retained

    def _synthesize(self) -> None:
        with self._step("Synthesizing"):
            self._source.run("synth", "--quiet")
            for stack, account in accounts(self._source.output):
                if account != ACCOUNT:
                    raise CdkError(
                        f"The stack {stack} is for account {account}, and the local AWS emulator has {ACCOUNT} only: "
                        "read the account from CDK_DEFAULT_ACCOUNT, or from a context variable that you set for it."
                    )
            regions = []
            for region, template in stacks(self._source.output):
                regions.append(region)
                for resource in template.get("Resources", {}).values():
                    if resource.get("DeletionPolicy", "Delete") != "Delete":
                        self._retained.add(resource["Type"])
            known = [region for region in regions if region != "unknown-region"]
            self._aws.regions = list(dict.fromkeys(known)) or self._aws.regions
            self._cdk = self._source.synthesized()

    def _peers(self) -> dict[str, list[str]]:
        return {one["arn"]: one["peers"] for one in survey.clusters(self._aws)}

    def _parameters(self) -> list[dict[str, str]]:
        return [survey.parameters(self._aws, region) for region in self._aws.regions]

    def _peering_functions(self, region: str) -> list[str]:
        pages = self._aws.client("lambda", region).get_paginator("list_functions").paginate()
        names = [one["FunctionName"] for page in pages for one in page["Functions"]]
        return [name for name in names if name.startswith(peering_name(""))]

    def _damage(self) -> None:
        for one in survey.clusters(self._aws):
            if one["peers"]:
                witness = one["multiRegionProperties"]["witnessRegion"]
                self._aws.client("dsql", one["region"]).update_cluster(
                    identifier=one["identifier"],
                    multiRegionProperties={"witnessRegion": witness, "clusters": []},
                )
        last = self._aws.regions[-1]
        names = list(survey.parameters(self._aws, last))
        if names:
            self._aws.client("ssm", last).delete_parameters(Names=names[:10])

    def _call_repair(self, region: str, function: str) -> dict[str, Any]:
        payload = json.dumps({"action": "repair"}).encode()
        answer = self._aws.client("lambda", region).invoke(FunctionName=function, Payload=payload)
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def _print(self, what: Table | str) -> None:
        self._console.print(what, soft_wrap=not self._console.is_terminal)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """One line when it begins (a moving one on a terminal), one with its time when it is done."""
        began = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(name) as status:
                self._show_line = lambda line: status.update(f"{name}: {line[:80]}")
                yield
        else:
            self._console.print(f"{name} ...")
            yield
        self._show_line = lambda line: None
        self._console.print(f"{name}: done in {time.monotonic() - began:.0f} s")


def _table(title: str, *columns: str) -> Table:
    """Its values are there to be copied, so they continue in the next line where the terminal is narrow."""
    return Table(*(Column(column, overflow="fold") for column in columns), title=title)
