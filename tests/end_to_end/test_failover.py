"""The orders service in both Regions behind one name: users leave a Region by themselves, and lose no order."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import FailoverOptions, MonitoringOptions, MonitorOptions, MultiRegionDsqlDr
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.end_to_end.project import DESTROY, Project
from tests.end_to_end.users import Users
from tests.postgresql import Postgresql
from tests.tools import INDEX, ROOT

EAST, WEST = "us-east-1", "us-west-2"
SCALE = 1 / 15
"""A monitor runs every 8 s then."""
DEPLOYMENT, DOMAIN = "OrdersDb-production", "orders.example.com"
EXAMPLE = ROOT / "examples" / "orders_service"
COMMAND = "from dsql_dr_constructs.cli import command_line; command_line.main()"
TIMEOUT = 300.0


class Service:
    """The example's stacks, deployed, with the domain in a hosted zone."""

    def __init__(self, aws: AwsEmulator, database: Postgresql) -> None:
        self.aws, self.database = aws, database
        self._route53 = aws.client("route53", EAST)
        zone = self._route53.create_hosted_zone(Name="example.com", CallerReference="test")["HostedZone"]["Id"]
        self._zone = zone.rpartition("/")[2]
        project = Project(aws)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AWS_ENDPOINT_URL", aws.endpoint)  # the functions are for this machine
            patched.setenv("PIP_NO_INDEX", "1")
            patched.setenv("PIP_FIND_LINKS", str(INDEX))
            patched.syspath_prepend(str(EXAMPLE))
            project.deploy(self._build)
        endpoint = project.clusters()[EAST]["endpoint"]
        environment = aws.environment() | aws.endpoint_variables()
        subprocess.run([sys.executable, str(EXAMPLE / "schema.py"), endpoint], env=environment, check=True)
        records = self._route53.list_resource_record_sets(HostedZoneId=self._zone)["ResourceRecordSets"]
        self.checks = {one["Region"]: one["HealthCheckId"] for one in records if one["Name"] == f"{DOMAIN}."}

    def _build(self, app: cdk.App) -> None:
        stacks, doors = importlib.import_module("orders_stack"), importlib.import_module("front_door")
        # a run that fails takes its whole time by the real clock, and has to end before the next one
        options = MonitorOptions(probe_timeout=cdk.Duration.seconds(5))
        pair = MultiRegionDsqlDr(
            app,
            "OrdersDb",
            removal_policy=DESTROY,
            alert_emails=["ops@example.com"],
            monitoring=MonitoringOptions(monitor_options=dict.fromkeys((EAST, WEST), options)),
            failover=FailoverOptions(),
        )
        for region in (EAST, WEST):
            orders = stacks.OrdersStack(app, f"Orders-{region}", pair=pair, env=cdk.Environment(region=region))
            doors.FrontDoor(
                orders,
                "FrontDoor",
                function=orders.function,
                domain=DOMAIN,
                zone_id=self._zone,
                health_check=pair.health_check(region),
            )

    def status(self, region: str) -> str:
        """Of the Region's health check."""
        return self.aws.health_check_status(self.checks[region])

    def wait_for(self, region: str, status: str) -> None:
        wait_until(lambda: self.status(region) == status, f"the health check of {region} is not {status}")

    def has_alarms(self) -> bool:
        """Whether an alarm of the clusters' health is not OK."""
        found = [
            one["StateValue"]
            for region in (EAST, WEST)
            for one in self.aws.client("cloudwatch", region).describe_alarms()["MetricAlarms"]
            if "cluster-health-" in one["AlarmName"]
        ]
        assert len(found) == 4
        return set(found) != {"OK"}

    def wait_until_well(self) -> None:
        wait_until(lambda: not self.has_alarms(), "an alarm is not OK")
        for region in (EAST, WEST):
            self.wait_for(region, "Healthy")

    def evacuate(self, region: str, *options: str) -> tuple[int, str]:
        """``dsql-dr evacuate``, as somebody has it whose default Region is the other one."""
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "evacuate", DEPLOYMENT, region, *options, "--yes"],
            env=self.aws.environment(WEST if region == EAST else EAST),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def wait_until(is_true: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + TIMEOUT
    while not is_true():
        assert time.monotonic() < until, f"After {TIMEOUT:.0f} s {otherwise}."
        time.sleep(0.2)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
        try:
            with AwsEmulator(regions=[EAST, WEST], time_scale=SCALE, postgresql=database.unix_socket) as aws:
                yield Service(aws, database)
        finally:
            database.stop()


@pytest.fixture
def users(service: Service) -> Iterator[Users]:
    """Who send orders all the time; in the end, each of them is stored once."""
    service.wait_until_well()
    with Users(service.aws, DOMAIN) as found:
        assert found.next(EAST) == {(EAST, EAST)}
        assert found.next(WEST) == {(WEST, WEST)}
        yield found
    found.assert_stored_once(service.database)


def test_users_leave_the_region_of_a_cluster_that_is_down_and_come_home(service: Service, users: Users) -> None:
    service.aws.inject(Fault("down", service="postgresql", region=EAST))
    assert {endpoint for _, endpoint in users.next(EAST)} == {WEST}, "the service itself goes to the other cluster"
    service.wait_for(EAST, "Unhealthy")
    assert users.next(EAST) == users.next(WEST) == {(WEST, WEST)}
    assert service.status(WEST) == "Healthy"

    service.aws.clear_faults("down")
    service.wait_for(EAST, "Healthy")
    assert {region for region, _ in users.next(EAST)} == {EAST}
    wait_until(lambda: users.next(EAST) == {(EAST, EAST)}, "the service does not use its own cluster")


def test_users_leave_an_evacuated_region_without_a_fault(service: Service, users: Users) -> None:
    code, text = service.evacuate(WEST, "--why", "network maintenance")
    assert code == 0, text
    service.wait_for(WEST, "Unhealthy")
    assert {region for region, _ in users.next(EAST) | users.next(WEST)} == {EAST}
    used = "an environment of the function that came here in an earlier fault uses the evacuated cluster"
    wait_until(lambda: users.next(EAST) == users.next(WEST) == {(EAST, EAST)}, used)
    assert not service.has_alarms()
    code, text = service.evacuate(EAST, "--why", "the other one, too")
    assert code != 0, "nobody would be left to answer"

    code, text = service.evacuate(WEST, "--back")
    assert code == 0, text
    service.wait_for(WEST, "Healthy")
    wait_until(lambda: users.next(WEST) == {(WEST, WEST)}, "users do not come home")


def test_evacuation_of_a_region_that_is_stopped_outlasts_its_return(service: Service, users: Users) -> None:
    service.aws.inject(Fault("stopped", "timeout", region=EAST))
    code, text = service.evacuate(EAST, "--why", "it does not answer")
    assert code == 0, text
    service.wait_for(EAST, "Unhealthy")
    assert users.next(EAST) == users.next(WEST) == {(WEST, WEST)}

    service.aws.clear_faults("stopped")
    wait_until(lambda: not service.has_alarms(), "the Region that is back is not healthy")
    assert service.status(EAST) == "Unhealthy", "until somebody ends the evacuation"
    assert users.next(EAST) == {(WEST, WEST)}

    code, text = service.evacuate(EAST, "--back")
    assert code == 0, text
    service.wait_for(EAST, "Healthy")
    wait_until(lambda: users.next(EAST) == {(EAST, EAST)}, "users do not come home")
