"""What the stacks of a pair have in common beside account, names and tags."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import IStackSynthesizer

from .arguments import check_fields


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How all stacks of a pair are synthesized and protected.

        StackOptions(synthesizer=cdk.DefaultStackSynthesizer(qualifier="orders"), termination_protection=True)

    Args:
        synthesizer: Names the bootstrap resources that deployments use. One object serves all stacks and takes the code
            of the functions, as a ``DefaultStackSynthesizer``, a subclass of it or an ``AppStagingSynthesizer`` does: a
            ``BootstraplessSynthesizer`` takes no assets, and another subclass of ``StackSynthesizer`` needs
            ``reusable_bind``. Default: the App's, else the CDK's own.
        termination_protection: Whether CloudFormation refuses to delete the stacks. Default: False.

    Raises:
        ValueError: a field has a value of another type.

    Source: https://docs.aws.amazon.com/cdk/v2/guide/configure-synth.html
    """

    synthesizer: IStackSynthesizer | None = None
    termination_protection: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
