from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import aws_cdk as cdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dr_constructs import validate_topology
from dsql_dr_constructs.regions import AS_OF, MULTI_REGION

KNOWN = [region for regions in MULTI_REGION.values() for region in regions]


@pytest.mark.parametrize("regions", MULTI_REGION.values(), ids=MULTI_REGION)
def test_any_three_known_regions_of_one_continent_are_a_pair_and_its_witness(regions: Sequence[str]) -> None:
    for primary, secondary, witness in permutations(regions, 3):
        assert validate_topology(primary, secondary, witness) == []


@pytest.mark.parametrize(
    ("primary", "secondary", "witness"),
    [
        ("us-east-1", "us-west-2", "us-east-2"),
        ("eu-north-1", "eu-west-1", "eu-central-1"),
        ("eu-south-2", "eu-west-3", "eu-central-1"),
        ("ap-south-1", "ap-southeast-1", "ap-northeast-1"),
        ("ca-central-1", "us-east-1", "us-east-2"),
    ],
)
def test_neighbours_that_aws_offers_are_accepted(primary: str, secondary: str, witness: str) -> None:
    assert validate_topology(primary, secondary, witness) == []


def test_the_documented_regions_are_these() -> None:
    assert {continent: set(regions) for continent, regions in MULTI_REGION.items()} == {
        "the Americas": {"us-east-1", "us-east-2", "us-west-2", "ca-central-1", "ca-west-1"},
        "Europe": {"eu-central-1", "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"},
        "Asia Pacific": {"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1"},
    }


# what this release does not know


@pytest.mark.parametrize(
    ("primary", "secondary", "witness", "unknown"),
    [
        ("sa-east-1", "us-east-1", "us-east-2", ["primary_region is 'sa-east-1'"]),
        ("us-east-1", "mx-central-1", "us-east-2", ["secondary_region is 'mx-central-1'"]),
        ("us-east-1", "us-west-2", "us-north-12", ["witness_region is 'us-north-12'"]),
        ("eu-central-2", "eu-south-1", "eu-west-1", ["primary_region is 'eu-central-2'", "secondary_region is 'eu-so"]),
        ("ap-east-2", "ap-southeast-2", "ap-southeast-7", ["primary_region", "secondary_region", "witness_region"]),
        (
            "us-gov-east-1",
            "us-gov-west-1",
            "us-gov-central-1",
            ["primary_region", "secondary_region", "witness_region"],
        ),
    ],
)
def test_unknown_region_of_the_same_continent_is_accepted_with_a_warning(
    primary: str, secondary: str, witness: str, unknown: list[str]
) -> None:
    warnings = validate_topology(primary, secondary, witness)
    assert [one.startswith(start) for one, start in zip(warnings, unknown, strict=True)] == [True] * len(unknown)


def test_the_warning_says_how_old_the_list_is_where_to_look_and_what_is_known() -> None:
    [warning] = validate_topology("us-east-1", "us-west-2", "sa-east-1")
    assert AS_OF in warning
    assert "https://docs.aws.amazon.com/aurora-dsql/" in warning
    assert warning.endswith("or choose from 'us-east-2', 'ca-central-1', 'ca-west-1'.")


def test_the_warning_offers_nothing_where_nothing_is_known() -> None:
    for warning in validate_topology("me-central-1", "me-south-1", "me-west-1"):
        assert warning.endswith(
            "see at https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html that it does now."
        )


# what can never work


@pytest.mark.parametrize(
    "region",
    ["us-nowhere-9", "US-EAST-1", "us-east", "us-east-1a", "us-west-2-lax-1", "xx-east-1", "us-east-0", "", " "],
)
@pytest.mark.parametrize("position", range(3))
def test_what_is_no_region_at_all_is_refused(region: str, position: int) -> None:
    regions = ["us-east-1", "us-west-2", "us-east-2"]
    regions[position] = region
    with pytest.raises(ValueError, match=rf"_region is '{region}', which is no AWS Region.*choose from '"):
        validate_topology(*regions)


@pytest.mark.parametrize("region", [None, 5, ["us-east-1"], {"us-east-1"}])
def test_what_is_no_string_is_refused_likewise(region: Any) -> None:
    with pytest.raises(ValueError, match=r"secondary_region is .*, which is no AWS Region.*choose from 'us-west-2'"):
        validate_topology("us-east-1", region, "us-east-2")


def test_region_that_is_misspelled_is_refused_with_the_nearest_one_that_is_free() -> None:
    with pytest.raises(ValueError, match=r"secondary_region is 'us-west2'.*\(the nearest is 'us-west-2'\)"):
        validate_topology("us-east-1", "us-west2", "us-east-2")
    with pytest.raises(ValueError, match=r"primary_region is 'us-nowhere-9'.*\(the nearest is 'us-east-1'\)"):
        validate_topology("us-nowhere-9", "us-west-2", "us-east-2")
    with pytest.raises(
        ValueError, match=r"witness_region is 'us-west2'.*choose from 'us-east-2', 'ca-central-1', 'ca-"
    ):
        validate_topology("us-east-1", "us-west-2", "us-west2")


@pytest.mark.parametrize("position", range(3))
def test_us_west_1_is_refused_by_name(position: int) -> None:
    regions = ["us-east-1", "us-west-2", "us-east-2"]
    [free] = regions[position : position + 1]
    regions[position] = "us-west-1"
    with pytest.raises(ValueError, match=rf"is 'us-west-1', where AWS offers no Aurora DSQL.*choose from .*'{free}'"):
        validate_topology(*regions)


def test_us_west_1_as_the_witness_of_a_pair_elsewhere_is_refused_with_regions_of_the_pair() -> None:
    with pytest.raises(ValueError, match=r"witness_region is 'us-west-1'.*choose from 'eu-central-1', 'eu-south-2'"):
        validate_topology("eu-north-1", "eu-west-1", "us-west-1")


@pytest.mark.parametrize(
    ("primary", "secondary", "witness", "sentence"),
    [
        (
            "us-east-1",
            "eu-west-1",
            "us-east-2",
            "secondary_region 'eu-west-1' is in Europe, .*the Americas, choose secondary_region from 'us-west-2', 'ca",
        ),
        (
            "eu-west-1",
            "us-west-2",
            "us-east-2",
            "in Europe, choose secondary_region and witness_region from 'eu-central-1'",
        ),
        ("us-east-1", "ap-south-1", "eu-west-1", "in the Americas, choose secondary_region and witness_region from"),
        ("af-south-1", "us-west-2", "us-east-2", rf"in Africa, .* its Regions, of which AWS offered none in {AS_OF}"),
        ("us-east-1", "us-gov-west-1", "us-east-2", r"secondary_region 'us-gov-west-1' is in AWS GovCloud \(US\)"),
        ("us-east-1", "us-west-2", "cn-north-1", "witness_region 'cn-north-1' is in China"),
        ("us-iso-east-1", "us-isob-east-1", "us-iso-west-1", "'us-isob-east-1' is in the isolated partition us-isob"),
        ("eu-west-1", "eusc-de-east-1", "eu-west-2", "'eusc-de-east-1' is in the AWS European Sovereign Cloud"),
    ],
)
def test_regions_of_different_continents_are_refused_with_what_would_fit(
    primary: str, secondary: str, witness: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*\\.$"):
        validate_topology(primary, secondary, witness)


def test_error_of_a_pair_elsewhere_with_the_default_witness_says_to_choose_witness_region() -> None:
    message = r"witness_region 'us-east-2' is in the Americas.*choose witness_region from 'eu-central-1', 'eu-south-2'"
    with pytest.raises(ValueError, match=message):
        validate_topology("eu-north-1", "eu-west-1", "us-east-2")


def test_two_clusters_in_one_region_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both 'us-east-1': a pair needs two.*from 'us-west-2', 'ca-central-1'"):
        validate_topology("us-east-1", "us-east-1", "us-east-2")


@pytest.mark.parametrize(("witness", "role"), [("us-east-1", "primary_region"), ("us-west-2", "secondary_region")])
def test_witness_beside_a_cluster_is_refused(witness: str, role: str) -> None:
    with pytest.raises(ValueError, match=rf"witness_region and {role} are both '{witness}'.*from 'us-east-2', 'ca-"):
        validate_topology("us-east-1", "us-west-2", witness)


def test_region_that_only_a_deployment_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"primary_region is a token.*\"us-east-1\""):
        validate_topology(cdk.Aws.REGION, "us-west-2", "us-east-2")


ANY_REGION = st.sampled_from([*KNOWN, "us-west-1", "sa-east-1", "me-south-1", "us-nowhere-9", ""]) | st.text(
    max_size=12
)
CONTINENTS = [{*MULTI_REGION["the Americas"], "sa-east-1"}, {*MULTI_REGION["Europe"]}, {*MULTI_REGION["Asia Pacific"]}]


@given(st.lists(ANY_REGION, min_size=3, max_size=3))
def test_any_three_strings_form_a_pair_or_are_refused_with_a_sentence(regions: list[str]) -> None:
    primary, secondary, witness = regions
    if len(set(regions)) == 3 and any(set(regions) <= continent for continent in CONTINENTS):
        assert len(validate_topology(primary, secondary, witness)) == regions.count("sa-east-1")
    else:
        with pytest.raises(ValueError, match=r"(?s)(primary|secondary|witness)_region.*\.$"):
            validate_topology(primary, secondary, witness)
