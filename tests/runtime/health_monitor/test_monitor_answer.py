"""The monitor's answer and its schema, docs/monitor-answer.schema.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from tests.runtime.health_monitor.hand_made_aws import EAST, FOLDERS, WEST, Aws, OtherRegion, error
from tests.runtime.health_monitor.hand_made_backup import AwsBackup

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "monitor-answer.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def full_pair() -> Aws:
    """With SSM parameters, backup vaults, another observing Region, and health checks for failover."""
    aws = Aws()
    aws.folders, aws.backup = FOLDERS, AwsBackup()
    aws.others = {"us-west-2": OtherRegion("us-west-2")}
    aws.paths = (aws.others["us-west-2"].path,)
    aws.evacuation_regions = ("us-east-1", "us-west-2")
    return aws


def cluster_fails(*regions: str) -> Callable[[Aws], None]:
    return lambda aws: aws.answers.update({region: {"status": "FAILED"} for region in regions})


def peering(witness: str, *peers: str) -> Callable[[Aws], None]:
    return lambda aws: aws.answers["us-west-2"].update(
        multiRegionProperties={"witnessRegion": witness, "clusters": [*peers]}
    )


def change_parameter(aws: Aws) -> None:
    aws.parameters[f"{FOLDERS[WEST]}/endpoint"] = "evil.example"


def delete_topic(aws: Aws) -> None:
    aws.others["us-west-2"].topic = None


FAULTS: dict[str, tuple[Callable[[Aws], None], list[str]]] = {
    names.HEALTHY: (lambda aws: None, []),
    names.CLUSTER_DOWN: (cluster_fails("us-west-2"), ["us-west-2"]),
    names.BOTH_DOWN: (cluster_fails("us-east-1", "us-west-2"), ["us-east-1", "us-west-2"]),
    names.PEERING_LOST: (peering("us-east-2", WEST), []),
    names.WITNESS_MISMATCH: (peering("us-west-1", EAST, WEST), []),
    names.PARAMETERS_CHANGED: (change_parameter, []),
    names.NOTIFICATIONS_BROKEN: (delete_topic, []),
}


def answer(verdict: str) -> dict[str, Any]:
    """As Lambda returns it."""
    aws = full_pair()
    FAULTS[verdict][0](aws)
    found: dict[str, Any] = json.loads(json.dumps(aws.run()))
    return found


@pytest.mark.parametrize("verdict", names.VERDICTS)
def test_answer_of_each_verdict_is_as_the_schema_says(verdict: str) -> None:
    found = answer(verdict)
    assert (found["verdict"], found["regions_down"]) == (verdict, FAULTS[verdict][1])
    assert set(found) == set(SCHEMA["properties"]), "of a pair that has all, no key is missing"
    VALIDATOR.validate(found)


def test_answer_of_a_pair_without_parameters_and_other_observers_is_valid() -> None:
    VALIDATOR.validate(json.loads(json.dumps(Aws().run())))


def test_answer_of_a_recovery_point_in_both_vaults_is_valid() -> None:
    aws, backup = full_pair(), AwsBackup()
    backup.copy(backup.back_up())
    aws.backup = backup
    found = json.loads(json.dumps(aws.run()))
    assert (found["backups"]["age_hours"], found["backups"]["newest"]) == (0, "2026-11-01T05:10:00+00:00")
    VALIDATOR.validate(found)


def failed_run(*, east: str = "ACTIVE") -> dict[str, Any]:
    """The line of a run that could check the cluster in us-east-1 only."""
    aws = full_pair()
    aws.answers["us-east-1"] = {"status": east}
    aws.failures["us-west-2"] = [error("AccessDeniedException", 403)]
    return aws.failing_run()


@pytest.mark.parametrize(("east", "down"), [("ACTIVE", []), ("FAILED", ["us-east-1"])])
def test_line_of_a_failed_run_is_valid(east: str, down: list[str]) -> None:
    line = failed_run(east=east)
    assert (line["verdict"], len(line["clusters"]), line["regions_down"]) == (None, 1, down)
    VALIDATOR.validate(line)


def test_line_of_a_run_that_could_check_nothing_is_valid() -> None:
    def fail() -> Any:
        raise FileNotFoundError("no certificates")

    line = full_pair().failing_run(tls=fail)
    assert (line["verdict"], line["clusters"]) == (None, [])
    VALIDATOR.validate(line)


def test_line_of_a_run_whose_metrics_could_not_be_put_has_a_verdict_with_errors_and_is_valid() -> None:
    aws = full_pair()
    aws.failures["put"] = [error("AccessDenied", 403)]
    line = aws.failing_run()
    assert (line["verdict"], len(line["errors"])) == (names.HEALTHY, 1)
    VALIDATOR.validate(line)


Change = Callable[[dict[str, Any]], object]


def clusters(found: dict[str, Any], **changes: Any) -> None:
    for one in found["clusters"]:
        one.update(changes)


OF_EACH_VERDICT: dict[str, Mapping[str, Change]] = {
    names.HEALTHY: {
        "a Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "an unhealthy cluster": lambda found: found["clusters"][0].update(healthy=False),
        "a lost peer": lambda found: found["clusters"][1].update(peered=False),
        "another witness": lambda found: found["clusters"][1].update(witnessed=None),
        "changed parameters": lambda found: found["parameters"].update(healthy=False),
        "broken notifications": lambda found: found["notifications"].update(healthy=False),
    },
    names.CLUSTER_DOWN: {
        "no Region down": lambda found: found.update(regions_down=[]),
        "both Regions down": lambda found: found.update(regions_down=["us-east-1", "us-west-2"]),
        "healthy clusters": lambda found: clusters(found, healthy=True),
        "unhealthy clusters": lambda found: clusters(found, healthy=False),
    },
    names.BOTH_DOWN: {
        "no Region down": lambda found: found.update(regions_down=[]),
        "one Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "the same Region down twice": lambda found: found.update(regions_down=["us-east-1"] * 2),
        "a healthy cluster": lambda found: found["clusters"][0].update(healthy=True),
    },
    names.PEERING_LOST: {
        "a Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "an unhealthy cluster": lambda found: found["clusters"][0].update(healthy=False),
        "peers": lambda found: clusters(found, peered=True),
    },
    names.WITNESS_MISMATCH: {
        "a Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "a lost peer": lambda found: found["clusters"][0].update(peered=False),
        "the right witness": lambda found: clusters(found, witnessed=True),
    },
    names.PARAMETERS_CHANGED: {
        "a Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "another witness": lambda found: found["clusters"][0].update(witnessed=False),
        "no parameters": lambda found: found.pop("parameters"),
        "right parameters": lambda found: found["parameters"].update(healthy=True),
    },
    names.NOTIFICATIONS_BROKEN: {
        "a Region down": lambda found: found.update(regions_down=["us-east-1"]),
        "changed parameters": lambda found: found["parameters"].update(healthy=False),
        "no notifications": lambda found: found.pop("notifications"),
        "notifications that could not be checked": lambda found: found["notifications"].update(healthy=None),
    },
}
OF_ANY_VERDICT: Mapping[str, Change] = {
    "no clusters": lambda found: found.update(clusters=[]),
    "one cluster": lambda found: found["clusters"].pop(),
    "the same cluster twice": lambda found: found.update(clusters=found["clusters"][:1] * 2),
    "three clusters": lambda found: found["clusters"].append({**found["clusters"][0], "region": "us-east-2"}),
    "no time of a check": lambda found: found["notifications"].update(checked_at="yesterday"),
    "a local time of a check": lambda found: found["notifications"].update(checked_at="2026-01-01T09:00:00+09:00"),
}


@pytest.mark.parametrize(
    ("verdict", "change"),
    [
        pytest.param(verdict, change, id=f"{verdict} with {what}")
        for verdict in names.VERDICTS
        for what, change in {**OF_ANY_VERDICT, **OF_EACH_VERDICT[verdict]}.items()
    ],
)
def test_answer_that_contradicts_its_verdict_is_invalid(verdict: str, change: Change) -> None:
    found = answer(verdict)
    change(found)
    assert not VALIDATOR.is_valid(found)


def test_line_without_a_verdict_and_without_a_reason_is_invalid() -> None:
    assert not VALIDATOR.is_valid({**failed_run(), "errors": []})


def test_an_answers_verdict_is_the_only_one_that_it_is_valid_with() -> None:
    for verdict in names.VERDICTS:
        found = answer(verdict)
        valid = [other for other in names.VERDICTS if VALIDATOR.is_valid({**found, "verdict": other})]
        assert valid == [verdict]


def test_schema_lists_exactly_the_verdicts() -> None:
    assert SCHEMA["properties"]["verdict"]["enum"] == [*names.VERDICTS, None]


def objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What describes an object of the answer; ``allOf`` only says which of them go together."""
    if schema.get("type") == "object":
        yield schema
    for one in (inner for key, inner in schema.items() if key != "allOf"):
        for inner in one if isinstance(one, list) else [one]:
            if isinstance(inner, dict):
                yield from objects(inner)


def test_schema_allows_no_other_key_and_describes_each() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = list(objects(SCHEMA))
    assert len(found) == 6
    for one in found:
        assert one["additionalProperties"] is False
        for key in one["properties"].values():
            described = SCHEMA["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key
            assert described["description"].endswith(".")


@pytest.mark.parametrize("place", ["", "clusters", "parameters", "notifications"])
def test_answer_with_another_key_is_invalid(place: str) -> None:
    found = answer(names.HEALTHY)
    inner = found[place] if place else found
    (inner[0] if isinstance(inner, list) else inner)["other"] = 1
    assert [one.validator for one in VALIDATOR.iter_errors(found)] == ["additionalProperties"]
