"""A drill from its start to the clean-up: the experiment is followed, the pair recovers, and nothing is left."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
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
from .drill_template import FAULT, DrillError
from .drill_times import DrillTime
from .subscriber import Subscriber, remove

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
    """

    def __init__(self, plan: Plan, client: Client, *, time: DrillTime, say: Callable[[str], object]) -> None:
        self._plan = plan
        self._client = client
        self._fis = client("fis", plan.request.region)
        self._time = time
        self._say = say
        self._experiment: Mapping[str, Any] = {}
        self._moments: list[Moment] = []
        self._failures: list[str] = []
        self._left: list[str] = []
        self._seen = Seen()
        self._subscriber = Subscriber(
            plan.request.deployment, plan.topics, client, run=uuid.uuid4().hex[:8], pause=time.pause
        )
        self._sent = False
        self._stopped = False
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
        try:
            try:
                self._left.extend(drill_clean_up.delete_copies(self._plan.copies, self._client))
                self._left.extend(remove(self._plan.queues, self._client))
                self._subscribe(undo)
                sources = Sources(self._plan, self._client, self._time, self._subscriber, self._seen)
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
            stopped=self._stopped,
            left=self._left,
        )

    def _subscribe(self, undo: ExitStack) -> None:
        """No fault begins whose notifications would not be seen.

        Raises:
            DrillError: a Region refuses.
        """
        undo.callback(lambda: self._left.extend(self._subscriber.left))
        undo.enter_context(self._subscriber)
        if self._subscriber.problems:
            raise DrillError(f"No experiment was started. {' '.join(self._subscriber.problems)}")

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
            self._give_way()
            self._read_experiment()
            fault = Fault(self._experiment, self._seen)
            sources.read(fault.began)
            self._show()
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
                raise DrillError("AWS FIS has not ended the experiment 30 minutes after its duration.")
            time.pause(_POLL)

    def _read_experiment(self) -> None:
        try:
            self._experiment = self._fis.get_experiment(id=self._experiment["id"])["experiment"]
        except (BotoCoreError, ClientError) as error:
            if not drill_clean_up.passes(error):
                raise
            if str(error) != self._unread:
                self._say(f"The experiment could not be read, and is read again: {error}")
            self._unread = str(error)
        faults = [one for one in self._experiment.get("actions", {}).values() if one["actionId"] == FAULT]
        self._seen.ran = self._seen.ran or any(one["state"]["status"] == "running" for one in faults)

    def _give_way(self) -> None:
        """Of two drills of the pair that were started at once, the one that was started last ends.

        Each sees the other one sooner or later, as ListExperiments has it.

        Raises:
            DrillError: it is this one.
        """
        plan, own = self._plan, drill_clean_up.Experiment(self._plan.request.region, self._experiment)
        try:
            found = [one for region in plan.clusters for one in drill_clean_up.running(region, self._client)]
        except (BotoCoreError, ClientError):
            return  # the next time
        for one in found:
            if one.is_of(plan.request.deployment) and one.age < own.age:
                raise DrillError(
                    f"Another drill of {plan.request.deployment} is running: {one}. This one was started after it, and "
                    "gives way, so that not both clusters fail: wait until that one has ended."
                )

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
        elif isinstance(error, DrillError):
            self._failures.append(str(error))
        else:
            text = str(error).rstrip(".")
            permission = " docs/permissions.md has the policy for drills." if "AccessDenied" in text else ""
            self._failures.append(f"The drill ended by an error: {text}.{permission}")
        stop = "The experiment is stopped, and what" if self._sent else "What"
        self._say(f"{self._failures[-1]} {stop} belongs to the drill is removed.")
        self._stop()
        raised = [f"{what} in {region}" for (region, what), state in self._seen.states.items() if state != "OK"]
        if raised:
            self._say(f"Not OK yet: alarm {', '.join(raised)}. dsql-dr status shows when the pair is as before.")

    def _stop(self) -> None:
        self._stopped = self._sent and self._experiment.get("state", {}).get("status") not in ENDED
        for id in self._running():
            self._experiment = self._experiment or {"id": id, "state": {"status": "running"}}
            problem = drill_clean_up.stop(id, self._plan.request.region, self._client, self._time)
            self._left.extend([problem] if problem else [])
        if self._experiment:
            with suppress(BotoCoreError, ClientError):
                self._read_experiment()
            self._show()

    def _running(self) -> Iterator[str]:
        """Also one whose start was not answered."""
        if self._experiment:
            yield self._experiment["id"]
        elif self._sent:
            region, deployment = self._plan.request.region, self._plan.request.deployment
            try:
                found = drill_clean_up.insist(lambda: list(drill_clean_up.running(region, self._client)), self._time)
                yield from (one.id for one in found if one.is_of(deployment))
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
            yield f"- queue {self._subscriber.name} in {one}, and its subscription"
        yield f"Remove it with: dsql-dr drill {deployment} --region {region} --clean-up"
