"""The command ``dsql-dr dashboard``: an app's dashboard as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from . import synthesized_app


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "dashboard",
        help="draw an app's dashboard as a picture",
        description="Draw an app's dashboard as a picture: layout and texts of its template, with sample data.",
    )
    synthesized_app.add_arguments(parser)
    parser.add_argument(
        "--output", type=_picture, default=Path("dashboard.html"), help=".html or .png; default: %(default)s"
    )
    parser.set_defaults(command=dashboard)


def _picture(given: str) -> Path:
    output = Path(given)
    if output.suffix not in (".html", ".png") or output.is_dir() or not output.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a file that can be written: give a name that ends with .html or .png, in a folder that "
            "exists."
        )
    return output


def dashboard(options: argparse.Namespace, console: Console) -> bool:
    """Whether every dashboard was drawn, and there is one."""
    templates = synthesized_app.templates(options, console)
    if templates is None:
        return False
    from .browser import BrowserError  # of another extra, as the next two
    from .cdk_cli import CdkError
    from .dashboard_picture import dashboards, to_html, to_png

    found = dashboards(templates)
    if not found:
        console.print("The app has no dashboard.")
        return False
    for number, (name, body) in enumerate(found.items()):
        output = options.output.with_stem(f"{options.output.stem}-{number + 1}") if number else options.output
        html = to_html(name, body)
        if output.suffix == ".html":
            output.write_text(html)
        else:
            try:
                to_png(html, output)
            except (BrowserError, CdkError) as error:
                console.print(str(error), soft_wrap=True)
                return False
        console.print(f"{name}: {output}", soft_wrap=True)
    return True
