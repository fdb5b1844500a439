"""Whether the Region that would take all users of an evacuated one can be relied on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import EVACUATED, alarm_name
from ..runtime.answer_time import time_of_answer
from .aws_session import Client
from .pair_evacuation import Declared


@dataclass(frozen=True)
class EvacuationTarget:
    """
    Args:
        deployment: Name of the pair.
        region: That would take all users.
        client: Gives the client of a service in a Region.
    """

    deployment: str
    region: str
    client: Client

    def doubts(self, found: Declared) -> Iterator[str]:
        """Why it may be no place to send users; the Region to evacuate may say nothing, or be wrong."""
        if self.region in found.failures:
            yield f"SSM in {self.region} could not be read: {found.failures[self.region]}"
        for observer in (self.region, *(found.versions.keys() - {self.region})):
            name = alarm_name(self.deployment, f"cluster-health-{self.region}", observer)
            try:
                alarms = self._read_alarm(name, observer)["MetricAlarms"]
            except (BotoCoreError, ClientError) as error:
                if observer == self.region:
                    yield f"Alarm {name} in {observer} could not be read: {error}"
                continue
            state = alarms[0]["StateValue"] if alarms else "not there"
            if state == "ALARM" or (state != "OK" and observer == self.region):
                yield f"Alarm {name} in {observer} is {state}."
        yield from self.still_evacuated(found)

    def still_evacuated(self, found: Declared) -> list[str]:
        """Why Route 53 may send no users to it yet, although it is not declared evacuated any more."""
        reasons = []
        for observer in found.versions:
            name = alarm_name(self.deployment, f"{EVACUATED}{self.region}", observer)
            try:
                answer = self._read_alarm(name, observer)
            except (BotoCoreError, ClientError):
                continue
            for alarm in answer["MetricAlarms"]:
                if until := found.seen_until(self.region, alarm, time_of_answer(answer)):
                    reasons.append(
                        f"The evacuation of {self.region} has just ended, and Route 53 may see it until "
                        f"{until:%Y-%m-%d %H:%M:%S} UTC: until then it would answer with both Regions."
                    )
                elif alarm["StateValue"] == "ALARM":
                    reasons.append(f"Alarm {name} in {observer} is ALARM.")
        return list(dict.fromkeys(reasons))

    def _read_alarm(self, name: str, observer: str) -> Any:
        return self.client("cloudwatch", observer).describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm"])
