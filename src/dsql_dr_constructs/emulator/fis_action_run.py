"""What each action of AWS FIS does when it starts, and that it leaves nothing when it ends."""

from __future__ import annotations

from dataclasses import dataclass

from .cluster_endpoints import CONNECT, LOGIN, SERVICE
from .faults import Fault, Faults
from .fis_actions import ASSERT, FAILURE, alarm_arns, alarm_states, seconds
from .fis_records import Action, Alarms, Experiment, Roles

_MESSAGE = "unable to accept connection, an experiment of AWS FIS is running"  # assumed


@dataclass(frozen=True)
class ActionRun:
    """Starts and ends actions.

    Args:
        faults: Connection failures hold there.
        roles: Whether the role of an experiment may do what an action does.
        alarms: Those that are asserted.
        connection_failure: Whether a connection fails before it is authenticated (``connection``) or when it logs in
            (``login``).
        time_scale: Length of a minute of an experiment, in minutes of real time.
    """

    faults: Faults
    roles: Roles
    alarms: Alarms
    connection_failure: str
    time_scale: float

    def start(self, experiment: Experiment, action: Action, now: float) -> None:
        """Let *action* run, or be at its end: completed, failed or skipped."""
        kind, parameters = action.asked["actionId"], action.asked.get("parameters") or {}
        action.started, action.status, action.reason = now, "running", "Action is running."
        failure: str | None = None
        if kind == ASSERT:
            failure = self._unmet(experiment, parameters)
            if not failure:
                self.end(action, "completed", "Action was completed.", now)
        elif kind == FAILURE:
            [target] = action.asked["targets"].values()
            clusters = experiment.resolved[target]
            if not clusters:
                self.end(action, "skipped", "Target resolution returned empty set", now)
                return
            failure = self._inject(experiment, action, clusters, int(parameters["percentage"]) / 100)
        if failure:
            self.end(action, "failed", failure[:512], now)
        elif action.status == "running":
            action.due = now + seconds(parameters["duration"]) * self.time_scale

    def end(self, action: Action, status: str, reason: str, now: float) -> None:
        """Take away what *action* holds, and leave it in *status*."""
        self.release(action)
        action.status, action.reason, action.ended, action.due = status, reason, now, None

    def release(self, action: Action) -> None:
        """End the faults of *action*."""
        for one in action.faults:
            self.faults.release(one)
        action.faults.clear()

    def _unmet(self, experiment: Experiment, parameters: dict[str, str]) -> str | None:
        """Why an assertion fails, which is decided once, when it starts (assumed); None if it holds."""
        allowed = alarm_states(parameters["alarmStates"])
        for arn in alarm_arns(parameters["alarmArns"]):
            # a role with a narrower scope cannot see composite alarms
            # Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
            seen_as = "*" if self.alarms.is_composite(arn) else arn
            if denied := self.roles.denied(experiment.role, [("cloudwatch:DescribeAlarms", seen_as, {})]):
                return denied
            state = self.alarms.state(arn)
            if state not in allowed:
                found = f"is in state {state}" if state else "does not exist"
                return f"Alarm {arn} {found}: {' or '.join(allowed)} was asserted."
        return None

    def _inject(self, experiment: Experiment, action: Action, clusters: list[str], share: float) -> str | None:
        """Let new connections fail; open ones stay (assumed). The reason if the role may not, else None.

        Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html
        """
        context = {"dsql:FisActionId": FAILURE, "dsql:FisTargetArns": clusters}
        if denied := self.roles.denied(experiment.role, [("dsql:InjectError", "*", context)]):
            return denied
        for arn in clusters:
            fault = Fault(
                f"{experiment.identifier} {action.name} {arn}",
                region=experiment.where.region,
                service=SERVICE,
                call=CONNECT if self.connection_failure == "connection" else LOGIN,
                cluster=arn.rpartition("/")[2],
                share=share,
                message=_MESSAGE,
            )
            self.faults.hold(fault)
            action.faults.append(fault.name)
        return None
