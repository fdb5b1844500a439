"""Experiments of AWS FIS: from their start over their actions to the end, and no fault after it.

What no document says is marked with "assumed".

Source: https://docs.aws.amazon.com/fis/latest/userguide/experiments.html
Source: https://docs.aws.amazon.com/fis/latest/userguide/action-sequence.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from . import fis_notices, fis_preparation, fis_report, service_model
from .backup_events import Outbox
from .backup_records import Where
from .fis_action_run import ActionRun
from .fis_notices import Notice
from .fis_preparation import FailedError, Preparation
from .fis_records import ENDED, Action, Asked, Experiment, FisError, invalid, new_identifier, not_found, page
from .fis_templates import FisTemplates

_TRANSITION = 5.0  # assumed: seconds of initiating, and of stopping
_MOST_ACTIVE = 5
_DONE = ("completed", "skipped")


class Experiments:
    """The experiments of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch, in real time.
    """

    def __init__(
        self,
        templates: FisTemplates,
        preparation: Preparation,
        run: ActionRun,
        outbox: Outbox[Notice],
        *,
        now: Callable[[], float],
    ) -> None:
        self._templates, self._preparation, self._run = templates, preparation, run
        self._outbox, self._now = outbox, now
        self._experiments: dict[str, Experiment] = {}
        self._by_token: dict[tuple[Where, str], tuple[Asked, str]] = {}

    def __iter__(self) -> Iterator[Experiment]:
        return iter(list(self._experiments.values()))

    # calls of the API

    def start(self, where: Where, asked: Asked) -> Asked:
        if wrong := service_model.violation(asked, service_model.input_shape("fis", "StartExperiment")):
            raise invalid(wrong)
        token = asked["clientToken"]
        before, identifier = self._by_token.get((where, token), (asked, ""))
        if before != asked:
            raise FisError("ConflictException", f"The client token {token} was used with other parameters.")
        if not identifier:
            identifier = self._start(where, asked).identifier
            self._by_token[where, token] = (asked, identifier)
        return {"experiment": described(self._experiments[identifier])}

    def stop(self, where: Where, asked: Asked) -> Asked:
        experiment = self.find(where, asked["id"])
        if experiment.status in ENDED:  # assumed
            raise invalid(f"The experiment {experiment.identifier} is {experiment.status}: it has ended.")
        if experiment.status != "stopping":
            self._stop(experiment, "Stopping Experiment.", "Experiment stopped.")
        return {"experiment": described(experiment)}

    def get(self, where: Where, asked: Asked) -> Asked:
        return {"experiment": described(self.find(where, asked["id"]))}

    def list(self, where: Where, asked: Asked) -> Asked:
        names = ("id", "arn", "experimentTemplateId", "state", "creationTime", "tags", "experimentOptions")
        found = [
            described(one)
            for one in reversed(self._experiments.values())
            if one.where == where and asked.get("experimentTemplateId", one.template_id) == one.template_id
        ]
        return page(asked, "experiments", [{name: one[name] for name in names} for one in found])

    def resolved_targets(self, where: Where, asked: Asked) -> Asked:
        experiment = self.find(where, asked["experimentId"])
        found = [
            {
                "resourceType": experiment.asked["targets"][name]["resourceType"],
                "targetName": name,
                "targetInformation": {"arn": arn},
            }
            for name, arns in experiment.resolved.items()
            for arn in arns
            if asked.get("targetName", name) == name
        ]
        return page(asked, "resolvedTargets", found)

    def find(self, where: Where, identifier: str) -> Experiment:
        """The experiment with this id.

        Raises:
            FisError: there is none.
        """
        experiment = self._experiments.get(identifier)
        if not experiment or experiment.where != where:
            raise not_found("experiment", identifier)
        return experiment

    # as time goes by

    def alarm_raised(self, arn: str) -> None:
        """Stop the experiments with this alarm in a stop condition, since it is in ALARM, or was."""
        for one in self:
            if one.status == "running" and arn in one.stop_alarms:
                self._halt(one)

    def settle(self) -> None:
        """Let every experiment be where it has come by now."""
        now = self._now()
        for one in self:
            if one.status == "initiating" and one.due is not None and now >= one.due:
                self._begin(one)
            if one.status == "running" and self._preparation.raised(one):
                self._halt(one)
            if one.status == "running":
                self._go_on(one)
            if one.status == "stopping" and one.due is not None and now >= one.due:
                self._end_stopped(one)
            fis_report.settle(one, now, self._run.roles, self._run.time_scale)

    def _start(self, where: Where, asked: Asked) -> Experiment:
        template = self._templates.find(where, asked["experimentTemplateId"])
        active = [one for one in self if one.where == where and one.status not in ENDED]
        if len(active) >= _MOST_ACTIVE:
            sentence = f"The account has {_MOST_ACTIVE} active experiments in {where.region}, which is its quota."
            raise FisError("ServiceQuotaExceededException", sentence)
        now = self._now()
        made = Experiment(
            where,
            new_identifier("EXP"),
            template.identifier,
            dict(template.asked),
            dict(asked.get("tags") or {}),
            (asked.get("experimentOptions") or {}).get("actionsMode", "run-all"),
            now,
            now + _TRANSITION * self._run.time_scale,
            {name: Action(name, dict(one)) for name, one in template.asked["actions"].items()},
        )
        made.started = now
        fis_report.plan(made)
        self._experiments[made.identifier] = made
        self._outbox.put(fis_notices.change(made, ("pending", "Experiment is pending.")))
        start = {"experiment_template_id": made.template_id, "experiment_start_time": fis_notices.timestamp(now)}
        self._log(fis_notices.record(made, "experiment-start", now, start))
        return made

    def _begin(self, experiment: Experiment) -> None:
        """Check what the experiment needs, and resolve its targets, which happens once."""
        try:
            self._preparation.check(experiment)
            for name, target in experiment.asked["targets"].items():
                self._log(fis_preparation.resolution_record(experiment, name, self._now(), begins=True))
                experiment.resolved[name] = self._preparation.resolve(experiment, target)
                self._log(fis_preparation.resolution_record(experiment, name, self._now(), begins=False))
        except FailedError as error:
            self._fail(experiment, str(error), error.code, error.location)
        else:
            self._change(experiment, "running", "Experiment is running.")

    def _go_on(self, experiment: Experiment) -> None:
        """End the actions that are due, and start those that may."""
        now, actions = self._now(), experiment.actions
        for one in actions.values():
            if one.due is not None and now >= one.due:
                self._end_action(experiment, one, "completed", "Action was completed.")
        if experiment.mode == "skip-all":
            for one in actions.values():
                self._run.end(one, "skipped", "Action was skipped.", now)
        while ready := [one for one in actions.values() if self._may_start(experiment, one)]:
            for one in ready:
                if not self._start_action(experiment, one):
                    self._fail(experiment, f"Action {one.name} failed: {one.reason}", "ActionFailed", one.name)
                    return
        if all(one.status in _DONE for one in actions.values()):
            self._end(experiment, "completed", "Experiment completed.")

    @staticmethod
    def _may_start(experiment: Experiment, action: Action) -> bool:
        before = (experiment.actions[name] for name in action.asked.get("startAfter") or [])
        return action.status == "pending" and all(one.status in _DONE for one in before)

    def _start_action(self, experiment: Experiment, action: Action) -> bool:
        """Whether *action* has not failed at once."""
        now = self._now()
        self._run.start(experiment, action, now)
        self._log(fis_notices.action_record(experiment, action, "action-start", now))
        if action.status == "failed":
            self._log(fis_notices.action_record(experiment, action, "action-error", now))
        if action.ended is not None:
            self._log(fis_notices.action_record(experiment, action, "action-end", now))
        return action.status != "failed"

    def _end_action(self, experiment: Experiment, action: Action, status: str, reason: str) -> None:
        now = self._now()
        self._run.end(action, status, reason, now)
        self._log(fis_notices.action_record(experiment, action, "action-end", now))

    def _halt(self, experiment: Experiment) -> None:
        """Source of the sentence: experiments that ran, as public repositories report them."""
        self._stop(experiment, "Experiment halted by stop condition.", "Experiment halted by stop condition.")

    def _stop(self, experiment: Experiment, reason: str, final_reason: str) -> None:
        """End its faults now; assumed: actions that run are stopping, as the experiment is, and others cancelled."""
        now, experiment.final_reason = self._now(), final_reason
        for one in experiment.actions.values():
            if one.status == "running":
                self._run.release(one)
                one.status, one.reason, one.due = "stopping", "Action is stopping.", None
            elif one.status == "pending":
                self._run.end(one, "cancelled", "Action was cancelled.", now)
        experiment.due = now + _TRANSITION * self._run.time_scale
        self._change(experiment, "stopping", reason)

    def _end_stopped(self, experiment: Experiment) -> None:
        for one in experiment.actions.values():
            if one.status == "stopping":
                self._end_action(experiment, one, "stopped", "Action was stopped.")
        self._end(experiment, "stopped", experiment.final_reason)

    def _fail(self, experiment: Experiment, reason: str, code: str, location: str) -> None:
        """End its faults now; assumed: actions that run are stopped, and others cancelled."""
        for one in experiment.actions.values():
            if one.status == "running":
                self._end_action(experiment, one, "stopped", "Action was stopped.")
            elif one.status == "pending":
                self._run.end(one, "cancelled", "Action was cancelled.", self._now())
        experiment.error = {"accountId": experiment.where.account, "code": code, "location": location}
        self._end(experiment, "failed", reason[:512])

    def _end(self, experiment: Experiment, status: str, reason: str) -> None:
        experiment.due, experiment.ended = None, self._now()
        self._change(experiment, status, reason)
        end = {
            "experiment_end_time": fis_notices.timestamp(experiment.ended),
            "experiment_state": {"status": status, "reason": reason},
        }
        self._log(fis_notices.record(experiment, "experiment-end", experiment.ended, end))

    def _change(self, experiment: Experiment, status: str, reason: str) -> None:
        old = (experiment.status, experiment.reason)
        experiment.status, experiment.reason = status, reason
        self._outbox.put(fis_notices.change(experiment, old))

    def _log(self, records: Iterable[Notice]) -> None:
        for one in records:
            self._outbox.put(one)


def described(experiment: Experiment) -> Asked:
    """As GetExperiment answers."""
    state = {"status": experiment.status, "reason": experiment.reason, "error": experiment.error}
    found = {
        "id": experiment.identifier,
        "arn": experiment.arn,
        "experimentTemplateId": experiment.template_id,
        **experiment.asked,
        "state": _present(state),
        "actions": {name: _described_action(one) for name, one in experiment.actions.items()},
        "creationTime": experiment.created,
        "startTime": experiment.started,
        "endTime": experiment.ended,
        "tags": experiment.tags,
        "experimentOptions": {**experiment.asked["experimentOptions"], "actionsMode": experiment.mode},
        "targetAccountConfigurationsCount": 0,
        "experimentReport": experiment.report,
    }
    return _present({name: one for name, one in found.items() if name != "description"})


def _described_action(action: Action) -> Asked:
    state = {"status": action.status, "reason": action.reason}
    return _present({**action.asked, "state": state, "startTime": action.started, "endTime": action.ended})


def _present(found: Asked) -> Asked:
    return {name: one for name, one in found.items() if one is not None}
