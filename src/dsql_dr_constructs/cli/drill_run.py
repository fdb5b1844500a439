"""A drill from its start to the clean-up: the experiment is followed, the pair recovers, and nothing is left."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import drill_name
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from . import drill_clean_up, drill_conclusions, drill_moments
from .aws_session import Client
from .drill_checks import Plan
from .drill_clean_up import ENDED, Copy
from .drill_moments import Fault
from .drill_result import DrillResult, Moment
from .drill_sources import Seen, Sources
from .drill_times import DrillTime
from .subscriber import Subscriber

RECOVERY = 15 * 60.0
"""Seconds from the end of the fault in which all has to be as before."""
_POLL = 10.0


class DrillRun:
    """One drill. `run` does it, and gives its result also when it was interrupted.

    Args:
        plan: What was agreed to.
        client: Gives clients.
        time: Its clock.
        say: Shows a sentence.
        emulated: Whether it is on the local AWS emulator.
    """

    def __init__(
        self, plan: Plan, client: Client, *, time: DrillTime, say: Callable[[str], object], emulated: bool = False
    ) -> None:
        self._plan = plan
        self._client = client
        self._fis = client("fis", plan.request.region)
        self._time = time
        self._say = say
        self._emulated = emulated
        self._experiment: Mapping[str, Any] = {}
        self._moments: list[Moment] = []
        self._failures: list[str] = []
        self._left: list[str] = []
        self._seen = Seen()
        self._problems: list[str] = []
        self._sent = False
        self._unread = ""
        self.ended_by: BaseException | None = None
        """What ended the drill before its end."""

    def run(self) -> DrillResult:
        """Do it all; a second Ctrl-C leaves what it names.

        Raises:
            KeyboardInterrupt: the second Ctrl-C.
            SystemExit: the second signal.
        """
        undo = ExitStack()
        subscriber = Subscriber(self._plan.request.deployment, self._plan.topics, self._client, pause=self._time.pause)
        try:
            try:
                undo.callback(lambda: self._left.extend(subscriber.left))
                undo.enter_context(subscriber)
                sources = Sources(self._plan, self._client, self._time, subscriber)
                self._start(self._template(undo))
                self._follow(sources)
            except BaseException as error:  # whatever it is, the pair has to be as before
                self.ended_by = error
                self._end(error)
            undo.close()
        except (KeyboardInterrupt, SystemExit):
            for line in self._may_be_left():
                self._say(line)
            raise
        except BaseException:
            undo.close()
            raise
        return drill_conclusions.result(
            self._plan,
            self._experiment,
            self._seen,
            self._moments,
            self._client,
            time=self._time,
            failures=self._failures,
            problems=self._problems,
            left=self._left,
            emulated=self._emulated,
        )

    def _template(self, undo: ExitStack) -> str:
        """Id of the deployed template, or of its copy with another duration or share."""
        plan, region = self._plan, self._plan.request.region
        if not plan.is_changed:
            return plan.template.id
        request = plan.template.changed(plan.seconds, plan.share)
        undo.callback(self._delete_copies)  # also if the answer is lost
        copy = Copy(region, self._fis.create_experiment_template(**request)["experimentTemplate"]["id"])
        return copy.id

    def _delete_copies(self) -> None:
        try:
            found = list(
                drill_clean_up.copies(self._plan.request.deployment, [self._plan.request.region], self._client)
            )
        except (BotoCoreError, ClientError) as error:
            self._left.append(f"Temporary experiment templates could not be listed, so one may be left: {error}")
        else:
            self._left.extend(drill_clean_up.delete_copies(found, self._client))

    def _start(self, template: str) -> None:
        deployment = self._plan.request.deployment
        self._sent = True
        answer = self._fis.start_experiment(
            clientToken=str(uuid.uuid4()),
            experimentTemplateId=template,
            tags={"Name": drill_name(deployment), DEPLOYMENT_TAG: deployment},
        )
        self._experiment = answer["experiment"]
        self._say(f"Experiment {self._experiment['id']} was started. Ctrl-C stops it.")

    def _follow(self, sources: Sources) -> None:
        """Until the pair is as before, or that takes too long."""
        time, limit = self._time, self._time.now() + self._time.real(self._plan.seconds + 2 * RECOVERY)
        while True:
            self._read_experiment()
            fault = Fault(self._experiment)
            self._seen = sources.read(fault.began)
            self._show()
            self._problems = sources.problems
            if self._experiment["state"]["status"] in ENDED:
                if fault.began is None or fault.ended is None:
                    return
                missing = drill_moments.not_recovered(self._plan, self._seen, fault.ended)
                if not missing:
                    return
                if time.now() > fault.ended + time.real(RECOVERY):
                    self._failures.append(drill_conclusions.did_not_recover(missing))
                    return
            elif time.now() > limit:
                self._failures.append(
                    "AWS FIS has not ended the experiment 30 minutes after its duration, so it was stopped."
                )
                self._stop()
                return
            time.pause(_POLL)

    def _read_experiment(self) -> None:
        try:
            self._experiment = self._fis.get_experiment(id=self._experiment["id"])["experiment"]
        except (BotoCoreError, ClientError) as error:
            if str(error) != self._unread:
                self._say(f"The experiment could not be read, and is read again: {error}")
            self._unread = str(error)

    def _show(self) -> None:
        """Each moment once, as soon as it is known."""
        found = drill_moments.moments(self._plan, self._experiment, self._seen, self._time)
        for one in found:
            if one not in self._moments:
                self._say(drill_conclusions.line(one, found))
        self._moments = found

    def _end(self, error: BaseException) -> None:
        """Of a drill that something ended: no fault stays."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._failures.append("The drill was stopped before its end.")
        else:
            text = str(error).rstrip(".")
            permission = " docs/permissions.md has the policy for drills." if "AccessDenied" in text else ""
            self._failures.append(f"The drill ended by an error: {text}.{permission}")
        self._say(f"{self._failures[-1]} The experiment is stopped, and what belongs to the drill is removed.")
        self._stop()
        raised = [f"{what} in {region}" for (region, what), state in self._seen.states.items() if state != "OK"]
        if raised:
            self._say(f"Not OK yet: alarm {', '.join(raised)}. dsql-dr status shows when the pair is as before.")

    def _stop(self) -> None:
        for id in self._running():
            self._experiment = self._experiment or {"id": id, "state": {"status": "running"}}
            problem = drill_clean_up.stop(id, self._plan.request.region, self._client, self._time)
            self._left.extend([problem] if problem else [])
        if self._experiment:
            self._read_experiment()
            self._show()

    def _running(self) -> Iterator[str]:
        """Also one whose start was not answered."""
        if self._experiment:
            yield self._experiment["id"]
        elif self._sent:
            region, deployment = self._plan.request.region, self._plan.request.deployment
            try:
                yield from (one.id for one in drill_clean_up.running(region, self._client) if one.is_of(deployment))
            except (BotoCoreError, ClientError) as error:
                self._left.append(f"Experiments in {region} could not be listed, so one may be running: {error}")

    def _may_be_left(self) -> Iterator[str]:
        """After the second Ctrl-C."""
        deployment, region = self._plan.request.deployment, self._plan.request.region
        yield "Stopped before everything was removed. This may be left:"
        if self._sent:
            yield f"- experiment {self._experiment.get('id', '')} in {region}, whose fault ends at its duration"
        if self._plan.is_changed:
            yield f"- a temporary experiment template in {region}"
        for one in self._plan.topics:
            yield f"- queue {drill_name(deployment)} in {one}, and its subscription"
        yield f"Remove it with: dsql-dr drill {deployment} --region {region} --clean-up"
