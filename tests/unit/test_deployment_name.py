from __future__ import annotations

import aws_cdk as cdk
import pytest
from constructs import Construct

from dsql_dr_constructs.deployment_name import default_deployment_name, validate_deployment_name


def test_name_of_an_app_is_id_and_environment(app: cdk.App) -> None:
    assert default_deployment_name(Construct(app, "Orders"), "production") == "Orders-production"


def test_name_in_a_stage_begins_with_the_stage(app: cdk.App) -> None:
    orders = Construct(cdk.Stage(app, "Beta"), "Orders")
    assert default_deployment_name(orders, "production") == "Beta-Orders-production"


@pytest.mark.parametrize("name", ["Orders-production", "a", "x" * 44, "with_underscore-9"])
def test_name_that_fits_is_kept(name: str) -> None:
    assert validate_deployment_name(name) == name


def test_character_that_a_path_does_not_take_is_refused_with_a_name_that_fits() -> None:
    with pytest.raises(ValueError, match=r"'Orders/production eu'.*deployment_name='Orders-production-eu'"):
        validate_deployment_name("Orders/production eu")


def test_name_too_long_for_a_function_is_refused_with_a_name_that_fits() -> None:
    with pytest.raises(ValueError, match=rf"has 45 characters, and at most 44.*deployment_name='{'x' * 44}'"):
        validate_deployment_name("x" * 45)


def test_name_that_only_a_deployment_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="is a token"):
        validate_deployment_name(cdk.Aws.STACK_NAME)
