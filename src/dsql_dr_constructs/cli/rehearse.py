"""The command ``dsql-dr rehearse``: an app on the local AWS emulator, from deployment to destruction."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Mapping

from rich.console import Console

from . import drill, synthesized_app
from .drill_template import DrillError

_DRILL_TIME_SCALE = 1 / 30
"""A drill takes twenty minutes of AWS: forty seconds."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "rehearse",
        help="deploy, show and destroy an app on the local AWS emulator",
        description="Deploy, show and destroy an app on the local AWS emulator, with the real CDK CLI. Nothing leaves "
        "this machine.",
    )
    synthesized_app.add_arguments(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="also remove the clusters' peers and the SSM parameters of one Region, and repair the pair by its command",
    )
    parser.add_argument(
        "--drill",
        action="store_true",
        help="also drill the pair, as dsql-dr drill does in AWS; the app needs drill=DrillOptions()",
    )
    drill.add_report_arguments(parser)
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the emulator running until Ctrl-C, and print the variables that let other programs use it",
    )
    synthesized_app.add_postgresql_argument(parser)
    parser.set_defaults(command=rehearse)


def rehearse(options: argparse.Namespace, console: Console) -> bool:
    """Whether everything that was asked for succeeded."""
    from ..emulator.aws_emulator import AwsEmulator  # of another extra, as what the next two import
    from . import survey
    from .cdk_cli import CdkError
    from .emulated_app import EmulatedApp

    if (options.report or options.objective) and not options.drill:
        console.print("--report and --objective are of the drill: add --drill, or leave them out.")
        return False
    try:
        objectives = drill.objectives(options)
    except DrillError as error:
        console.print(str(error))
        return False
    scale = _DRILL_TIME_SCALE if options.drill else 1.0
    with AwsEmulator(regions=["us-east-1"], time_scale=scale, postgresql=options.postgresql) as aws:
        try:
            app = EmulatedApp(aws, options.folder.resolve(), app=options.app, console=console)
            app.deploy()
            app.show()
            if options.keep:
                endpoints = aws.endpoint_variables() if options.postgresql else {}
                _keep_running(aws.variables() | endpoints, console)
                return True
            drilled = app.drill(objectives, options.report) if options.drill else True
            repaired = app.repair() if options.repair else True
            return app.destroy() and drilled and repaired
        except CdkError as error:
            reasons = survey.failures(aws)
            if reasons:
                synthesized_app.show_failure("CloudFormation", reasons, console)
            else:
                synthesized_app.show_failure("the CDK CLI", synthesized_app.without_trace(str(error)), console)
            return False


def _keep_running(variables: Mapping[str, str], console: Console) -> None:
    console.print("The emulator keeps running. To use it with the AWS CLI, boto3 or the CDK CLI in another shell:\n")
    for name, value in variables.items():
        console.print(f"export {name}={value}", soft_wrap=True)
    console.print("\nCtrl-C stops it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
