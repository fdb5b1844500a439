from __future__ import annotations

import aws_cdk as cdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dr_constructs import REGION_SETS, RegionSet, validate_topology

EVERY_REGION = [region for one in REGION_SETS for region in one.regions]


@pytest.mark.parametrize(
    ("primary", "secondary", "witness", "name"),
    [
        ("us-east-1", "us-west-2", "us-east-2", "US"),
        ("eu-west-1", "eu-west-2", "eu-central-1", "Europe"),
        ("eu-west-3", "eu-west-1", "eu-west-2", "Europe"),
        ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "Asia Pacific"),
    ],
)
def test_three_regions_of_one_set_are_a_pair_and_its_witness(
    primary: str, secondary: str, witness: str, name: str
) -> None:
    assert validate_topology(primary, secondary, witness).name == name


def test_the_documented_sets_are_these() -> None:
    assert {one.name: set(one.regions) for one in REGION_SETS} == {
        "US": {"us-east-1", "us-east-2", "us-west-2"},
        "Asia Pacific": {"ap-northeast-1", "ap-northeast-2", "ap-northeast-3"},
        "Europe": {"eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"},
    }


def test_region_without_dsql_is_refused_with_a_free_one_of_the_others_set() -> None:
    with pytest.raises(ValueError, match=r"witness_region is 'us-west-1'.*nearest free Region by name is 'us-east-2'"):
        validate_topology("us-east-1", "us-west-2", "us-west-1")


def test_region_that_is_misspelled_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"secondary_region is 'us-west2'.*US \(us-east-1.*nearest.*'us-west-2'"):
        validate_topology("us-east-1", "us-west2", "us-east-2")


def test_region_without_multi_region_clusters_is_refused_with_the_sets() -> None:
    with pytest.raises(ValueError, match=r"primary_region is 'sa-east-1'.*Europe.*region_set=RegionSet"):
        validate_topology("sa-east-1", "us-west-2", "us-east-2")


def test_regions_of_different_sets_are_refused_with_what_would_fit() -> None:
    message = r"witness_region 'eu-west-1' are not of one.*Next to 'us-east-1', choose from 'us-east-2', 'us-west-2'"
    with pytest.raises(ValueError, match=message):
        validate_topology("us-east-1", "us-west-2", "eu-west-1")


def test_two_clusters_in_one_region_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both 'us-east-1': a pair needs two.*Choose from 'us-west-2'"):
        validate_topology("us-east-1", "us-east-1", "us-east-2")


@pytest.mark.parametrize(("witness", "role"), [("us-east-1", "primary_region"), ("us-west-2", "secondary_region")])
def test_witness_beside_a_cluster_is_refused(witness: str, role: str) -> None:
    with pytest.raises(ValueError, match=rf"witness_region and {role} are both '{witness}'.*Choose from 'us-east-2'"):
        validate_topology("us-east-1", "us-west-2", witness)


def test_region_that_only_a_deployment_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"primary_region is a token.*\"us-east-1\""):
        validate_topology(cdk.Aws.REGION, "us-west-2", "us-east-2")


def test_empty_region_is_refused() -> None:
    with pytest.raises(ValueError, match="witness_region is empty"):
        validate_topology("us-east-1", "us-west-2", "")


def test_a_set_of_ones_own_replaces_the_documented_ones() -> None:
    nordic = RegionSet("Nordic", ("eu-north-1", "eu-central-1", "eu-west-1"))
    assert validate_topology("eu-north-1", "eu-central-1", "eu-west-1", nordic) is nordic
    with pytest.raises(ValueError, match="Allowed are three Regions of one set: Nordic"):
        validate_topology("us-east-1", "us-west-2", "us-east-2", nordic)


def test_a_set_of_two_regions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'Small' has \['us-east-1', 'us-west-2'\].*at least three"):
        RegionSet("Small", ("us-east-1", "us-west-2", "us-east-1"))


@given(st.lists(st.sampled_from([*EVERY_REGION, "us-west-1", "", "x"]) | st.text(max_size=12), min_size=3, max_size=3))
def test_any_three_strings_form_a_pair_or_are_refused_with_a_sentence(regions: list[str]) -> None:
    primary, secondary, witness = regions
    good = len(set(regions)) == 3 and any(set(regions) <= set(one.regions) for one in REGION_SETS)
    if good:
        assert set(regions) <= set(validate_topology(primary, secondary, witness).regions)
    else:
        with pytest.raises(ValueError, match=r"(?s)(primary|secondary|witness)_region.*\.$"):
            validate_topology(primary, secondary, witness)
