"""The rehearsal of an app: deployed, looked at, hurt and healed, destroyed, all by the real CDK CLI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from ..emulator.aws_emulator import AwsEmulator
from ..physical_names import peering_name
from . import survey
from .cdk_cli import CdkCli
from .drill import Drill, Page


class Rehearsal:
    """Goes through the life of an app and tells what it sees.

    Args:
        aws: A fresh one; its Regions become those of the app's stacks.
        folder: The app's folder.
        app: How the app is run, as in ``cdk --app``. Default: cdk.json says it.
        console: Where to. Steps are a line each, and on a terminal the line that is at work moves.
    """

    def __init__(self, aws: AwsEmulator, folder: Path, *, app: str | None, console: Console) -> None:
        self._aws = aws
        self._console = console
        self._said: Callable[[str], object] = lambda line: None
        self._source = CdkCli(aws, folder, app=app, tell=lambda line: self._said(line))
        self._cdk = self._source
        self._retained: set[str] = set()

    def deploy(self) -> None:
        """Synthesize, make the Regions of its stacks ready, deploy all."""
        self._synthesize()
        with self._step(f"Bootstrapping {' and '.join(self._aws.regions)}"):
            self._cdk.bootstrap()
        with self._step("Deploying all stacks"):
            self._cdk.deploy()

    def show(self) -> None:
        """The clusters, and the registry as a stack of another team reads it."""
        table = _table("Aurora DSQL clusters", "Region", "Cluster", "State", "Endpoint", "Peer", "Witness")
        for one in survey.clusters(self._aws):
            peers = [f"{arn.split('/')[-1]} in {arn.split(':')[3]}" for arn in one["peers"]]
            witness = one.get("multiRegionProperties", {}).get("witnessRegion", "none")
            table.add_row(
                one["region"], one["identifier"], one["status"], one["endpoint"], ", ".join(peers) or "none", witness
            )
        self._print(table)
        for region in self._aws.regions:
            entries = survey.registry(self._aws, region)
            table = _table(f"Registry, read in {region}", "SSM parameter", "Value")
            for name, value in entries.items():
                table.add_row(name, value)
            self._print(table if entries else f"No registry in {region}.")

    def drill(self) -> bool:
        """Make one cluster unreachable, wait for verdicts and pages, heal it, and tell whether all came true."""
        drill = Drill(self._aws)
        if not any(drill.monitors.values()):
            self._console.print("No monitor watches this app, so there is no drill.")
            return True
        broken = survey.clusters(self._aws)[0]["region"]
        minute = f"a minute of AWS lasts {60 * self._aws.time_scale:g} s"
        with drill.listening() as inbox:
            with self._step(f"Waiting until all is well; {minute}"):
                drill.wait_until_well()  # with somebody subscribed: a topic without is a fault
            inbox.rest()
            with self._step(f"Drill: the endpoint in {broken} refuses everybody; {minute}"):
                drill.break_cluster(broken)
                seen = drill.verdicts()
                pages = inbox.next_of_each_region()
            self._print(_verdicts("What the monitors say", seen))
            self._print(_pages("Pages", pages))
            with self._step("Healing it"):
                drill.heal_cluster()
                recovered = drill.verdicts()
                recoveries = inbox.next_of_each_region()
            self._print(_pages("Recovery", recoveries))
            more = inbox.rest()
        right = [one["verdict"] for one in seen] == [
            "LOCAL_DOWN" if one["observer"] == broken else "PEER_DOWN" for one in seen
        ]
        told = {one.state for one in pages} == {"ALARM"} and {one.state for one in recoveries} == {"OK"}
        well = right and told and not more and {one["verdict"] for one in recovered} == {"HEALTHY"}
        self._console.print("One page a Region, one recovery." if well else "The drill went wrong.")
        return well

    def heal(self) -> bool:
        """Take the peers and registry entries away, repair the pair by its command, and tell if all is as before."""
        before = (self._peers(), [survey.registry(self._aws, region) for region in self._aws.regions])
        functions = [(region, name) for region in self._aws.regions for name in self._peering_functions(region)]
        if not functions:
            self._console.print("No peering of this app, so there is nothing to repair.")
            return True
        with self._step("Breaking it by hand: both clusters forget their peer, one Region its registry"):
            self._break()
        broken = self._peers() != before[0]
        with self._step("Repairing it"):
            answers = [self._repair(region, name) for region, name in functions]
        for answer in answers:
            self._console.print("\n".join(answer.get("changed", [])) or str(answer), soft_wrap=True)
        after = (self._peers(), [survey.registry(self._aws, region) for region in self._aws.regions])
        repaired = broken and before == after
        self._console.print("Repaired: peers and registry are as before." if repaired else "Not repaired.")
        return repaired

    def _peering_functions(self, region: str) -> list[str]:
        pages = self._aws.client("lambda", region).get_paginator("list_functions").paginate()
        names = [one["FunctionName"] for page in pages for one in page["Functions"]]
        return [name for name in names if name.startswith(peering_name(""))]

    def _repair(self, region: str, function: str) -> dict[str, Any]:
        payload = json.dumps({"action": "repair"}).encode()
        answer = self._aws.client("lambda", region).invoke(FunctionName=function, Payload=payload)
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def destroy(self) -> bool:
        """Destroy all stacks, and tell whether nothing is left but what their removal policies keep."""
        with self._step("Destroying all stacks"):
            self._cdk.destroy()
        left = survey.leftovers(self._aws)
        for resource_type, names in left.items():
            kept = ", kept by its removal policy" if resource_type in self._retained else ""
            self._console.print(f"Left{kept}: {resource_type} {', '.join(names)}", soft_wrap=True)
        if not left:
            self._console.print(f"Nothing is left in {' and '.join(self._aws.regions)}.")
        return set(left) <= self._retained

    def _synthesize(self) -> None:
        with self._step("Synthesizing"):
            self._source.run("synth", "--quiet")
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

    def _break(self) -> None:
        for one in survey.clusters(self._aws):
            if one["peers"]:
                witness = one["multiRegionProperties"]["witnessRegion"]
                self._aws.client("dsql", one["region"]).update_cluster(
                    identifier=one["identifier"],
                    multiRegionProperties={"witnessRegion": witness, "clusters": []},
                )
        last = self._aws.regions[-1]
        names = list(survey.registry(self._aws, last))
        if names:
            self._aws.client("ssm", last).delete_parameters(Names=names[:10])

    def _print(self, what: Table | str) -> None:
        self._console.print(what, soft_wrap=not self._console.is_terminal)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """One line when it begins (a moving one on a terminal), one with its time when it is done."""
        began = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(name) as status:
                self._said = lambda line: status.update(f"{name}: {line[:80]}")
                yield
        else:
            self._console.print(f"{name} ...")
            yield
        self._said = lambda line: None
        self._console.print(f"{name}: done in {time.monotonic() - began:.0f} s")


def _table(title: str, *columns: str) -> Table:
    """Its values are there to be copied, so they go on in the next line where the terminal is narrow."""
    return Table(*(Column(column, overflow="fold") for column in columns), title=title)


def _verdicts(title: str, seen: list[dict[str, Any]]) -> Table:
    table = _table(title, "Seen from", "Verdict", "Evidence")
    for one in seen:
        problems = [f"{cluster['region']}: {problem}" for cluster in one["clusters"] for problem in cluster["problems"]]
        table.add_row(one["observer"], one["verdict"], "; ".join(problems) or "none")
    return table


def _pages(title: str, pages: list[Page]) -> Table:
    table = _table(title, "Subject", "Text")
    for one in pages:
        table.add_row(one.subject, one.description)
    return table


def stacks(assembly: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Region and template of each stack of a cloud assembly, its Stages included."""
    artifacts = json.loads((assembly / "manifest.json").read_text()).get("artifacts", {})
    for artifact in artifacts.values():
        if artifact["type"] == "aws:cloudformation:stack":
            template = assembly / artifact["properties"]["templateFile"]
            yield artifact["environment"].rpartition("/")[2], json.loads(template.read_text())
        elif artifact["type"] == "cdk:cloud-assembly":
            yield from stacks(assembly / artifact["properties"]["directoryName"])
