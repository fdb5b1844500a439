"""The same app on a laptop: an embedded AWS with Aurora DSQL in several Regions, for tests and rehearsals.

Install it with the extra: ``pip install "dsql-dr-constructs[rehearsal]"``.
"""

from .embedded_aws import EmbeddedAws
from .faults import Fault

__all__ = ["EmbeddedAws", "Fault"]
