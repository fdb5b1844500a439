"""The same app on a laptop: an embedded AWS with Aurora DSQL in several Regions, for tests and rehearsals.

Install it with the extra: ``pip install "dsql-dr-constructs[cli,emulator]"``.
"""

from .aws_emulator import AwsEmulator
from .faults import Fault

__all__ = ["AwsEmulator", "Fault"]
