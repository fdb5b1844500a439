"""The emulator's process: ministack with the services and checks that it lacks, on a socket that the parent bound."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from . import (
    alarm_clock,
    backup_events,
    backup_roles,
    cloudformation_failures,
    fis_notices,
    function_permissions,
    key_policies,
    ministack_alarms,
    ministack_cloudformation,
    ministack_functions,
    ministack_log_targets,
    ministack_route53,
    ministack_scheduler,
    ministack_schedules,
    ministack_seams,
)
from .access_control import AccessControl
from .backup import Backup
from .clock import Clock
from .cloudformation_backup import PlanHandler, SelectionHandler, VaultHandler
from .cloudformation_composite_alarm import CompositeAlarmHandler
from .cloudformation_dsql_cluster import NO_ENDPOINT, ClusterHandler
from .cloudformation_fis import ExperimentTemplateHandler
from .cloudformation_health_check import TYPES, HealthCheckHandler, OfControlPlane
from .cloudformation_metric_alarm import MetricAlarmHandler
from .cloudformation_recorded import RECORDED, RecordedHandler
from .cluster_activity import ClusterActivity
from .cluster_data import ClusterData
from .cluster_endpoints import ClusterEndpoints
from .control_api import ControlApi
from .credentials import ACCOUNT, Credentials
from .dsql import Dsql
from .faults import Faults
from .fis import Fis
from .fis_roles import FisAlarms, FisRoles
from .gateway import Gateway
from .route53 import Route53
from .undocumented import Undocumented


def build(options: argparse.Namespace, owner: Credentials) -> Gateway:
    """The application, with its resource types and checks installed into this process' ministack."""
    access_control = AccessControl(int(os.environ["GATEWAY_PORT"]), owner)
    faults = Faults()
    clock = Clock(options.time_scale)
    dsql = Dsql(
        faults,
        transition_seconds=options.transition_seconds,
        undocumented=Undocumented(**json.loads(options.undocumented)),
        use_key=key_policies.cluster_key,
        now=clock.now,
    )
    ministack_cloudformation.add_resource_type("AWS::DSQL::Cluster", ClusterHandler(dsql, ministack_seams.where))
    ministack_cloudformation.explain_unknown_attributes({("AWS::DSQL::Cluster", "Endpoint"): NO_ENDPOINT})
    ministack_cloudformation.wrap_resource_type("AWS::CloudWatch::Alarm", _with_metric_math)
    alarms = CompositeAlarmHandler(ministack_alarms.call_cloudwatch, _alarm_arn)
    ministack_cloudformation.add_resource_type("AWS::CloudWatch::CompositeAlarm", alarms)
    for one in RECORDED:
        ministack_cloudformation.add_resource_type(one.name, RecordedHandler(one, ministack_seams.where))
    ministack_cloudformation.follow_resource_type("AWS::Lambda::Function", _remember_dead_letter_queue)
    cloudformation_failures.install()
    ministack_seams.know_credentials(ACCOUNT, owner)
    function_permissions.install(owner)
    key_policies.install(enforce_roles=options.enforce_permissions)
    ministack_alarms.count_invocations()  # after what refuses them
    ministack_seams.confirm_subscriptions()
    ministack_seams.record_who_puts_parameters()
    ministack_functions.keep_workers_of_other_regions()
    ministack_functions.let_node_call_other_regions()
    ministack_cloudformation.name_resources_by_region()
    ministack_cloudformation.answer_the_cdk_when_stacks_are_done()
    ministack_cloudformation.find_stacks_by_their_resources()
    if dsql.undocumented.allowed_pattern == "name":
        ministack_cloudformation.compare_patterns_with_names()
    ministack_alarms.keep_milliseconds()
    alarm_clock.start(options.time_scale, faults)
    ministack_schedules.stop_rules_of_lost_regions(faults)
    ministack_log_targets.deliver_events_to_log_groups()
    ministack_schedules.scale_rates(options.time_scale)
    ministack_schedules.run_cron_rules(clock)
    activity = ClusterActivity(dsql, clock, idle_after=options.idle_after)
    # functions inherit the process' environment
    database = None
    if options.postgresql:
        from .cluster_database import ClusterDatabase  # which takes a driver that nobody else needs

        database = ClusterDatabase(options.postgresql, Path("sql"))  # a short name: a socket's path may have 100 bytes
    data = ClusterData(database)
    endpoints = ClusterEndpoints(dsql, access_control, faults, activity, data)
    found = endpoints.variables(Path("functions").resolve())
    os.environ.update(found)
    Path("endpoints.json").write_text(json.dumps(found))  # for the parent
    inner = importlib.import_module("ministack.app").app
    backup = Backup(
        dsql,
        clock,
        faults,
        data=data,
        trust=backup_roles.BackupRoles(enforce=options.enforce_permissions),
        send=backup_events.send,
        use_key=key_policies.cluster_key,
    )
    backup_roles.add_managed_policies()
    for name, handler in (("Vault", VaultHandler), ("Plan", PlanHandler), ("Selection", SelectionHandler)):
        ministack_cloudformation.add_resource_type(f"AWS::Backup::Backup{name}", handler(backup, ministack_seams.where))
    backup.start()
    clock.start()
    fis = Fis(
        dsql,
        faults,
        roles=FisRoles(enforce=options.enforce_permissions),
        alarms=FisAlarms(),
        send=fis_notices.send,
        time_scale=options.time_scale,
    )
    ministack_alarms.follow_alarms(fis.alarm_changed)
    templates = ExperimentTemplateHandler(fis, ministack_seams.where)
    ministack_cloudformation.add_resource_type("AWS::FIS::ExperimentTemplate", templates)
    ministack_scheduler.run_cron_schedules(clock, fis, enforce=options.enforce_permissions)
    fis.start()
    route53 = _route53(dsql, faults, options.time_scale)
    control = ControlApi(faults, dsql, clock, route53)
    actions, enforce = _action_and_resource, options.enforce_permissions
    return Gateway(inner, access_control, dsql, backup, fis, faults, control, actions, enforce=enforce)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--transition-seconds", type=float, default=0.2)
    parser.add_argument("--undocumented", default="{}")
    parser.add_argument("--enforce-permissions", action="store_true")
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--idle-after", type=float)
    parser.add_argument("--postgresql")
    options = parser.parse_args()
    owner = Credentials(**json.loads(sys.stdin.readline()))  # other users can read arguments, and functions variables
    sys.addaudithook(_stay_on_loopback)
    asyncio.run(_serve(build(options, owner), options.socket))


async def _serve(app: Gateway, socket: int) -> None:
    _close_with_clients()
    hypercorn = importlib.import_module("hypercorn.asyncio")
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{socket}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await hypercorn.serve(app, config, shutdown_trigger=stop.wait)


def _close_with_clients() -> None:
    """By itself hypercorn keeps a connection that its client has closed until keep_alive_timeout."""
    connection: Any = importlib.import_module("hypercorn.asyncio.tcp_server").TCPServer
    read = connection._read_data

    async def read_to_the_end(self: Any) -> None:
        await read(self)
        await self.idle_task.stop()

    connection._read_data = read_to_the_end


def _route53(dsql: Dsql, faults: Faults, time_scale: float) -> Route53:
    route53 = Route53(
        ministack_route53.health_checks(),
        ministack_route53.records,
        ministack_route53.AllRegions(faults),
        missing_data=dsql.undocumented.route53_missing_data,
        time_scale=time_scale,
    )
    ministack_route53.answer_for(route53)
    ministack_cloudformation.add_resource_type(TYPES[0], HealthCheckHandler(route53))
    for name in TYPES:
        ministack_cloudformation.wrap_resource_type(name, lambda plain: OfControlPlane(plain, route53, faults))
    route53.start()
    return route53


def _stay_on_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse every other address to the listeners that ministack starts for one service or the other."""
    if event == "socket.bind" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise PermissionError(f"This local AWS emulator listens on loopback only, and not on {host!r}.")


def _with_metric_math(plain: dict[str, Any]) -> MetricAlarmHandler:
    return MetricAlarmHandler(plain["create"], plain["update"], plain["delete"], ministack_alarms.set_alarm_metrics)


def _remember_dead_letter_queue(name: str, properties: dict[str, Any]) -> None:
    if "DeadLetterConfig" in properties:
        ministack_functions.function_config(name)["DeadLetterConfig"] = dict(properties["DeadLetterConfig"])


def _alarm_arn(name: str) -> str:
    account, region = ministack_seams.where()
    return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


def _action_and_resource(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, list[str]],
    region: str,
    account: str,
) -> tuple[str | None, str]:
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    action = actions.extract_iam_action(service, method, path, headers, body, query)
    resource = actions.extract_resource_arn(service, method, path, headers, body, query, region, account)
    return action, resource


if __name__ == "__main__":
    main()
