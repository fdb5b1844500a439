"""What the package's extras install, and the sentence for whoever has not installed them."""

from __future__ import annotations

from importlib.util import find_spec


class MissingExtraError(ImportError):
    """Packages of an extra are not installed; the text says how to install them."""


def require_extra(extras: str, *modules: str, for_what: str) -> None:
    """Check that *modules* can be imported, which ``pip install "dsql-dr-constructs[...]"`` with *extras* installs.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    missing = [one for one in modules if find_spec(one) is None]
    if missing:
        raise MissingExtraError(
            f"{for_what} needs packages that are not installed ({', '.join(missing)}): run pip install "
            f'"dsql-dr-constructs[{extras}]".'
        )
