"""What users read is in the plain English of AWS's guides: none of the words that were misunderstood is left."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("client/*.md"),
        *(one for kind in ("md", "svg", "html") for one in (ROOT / "docs").rglob(f"*.{kind}")),
        *(one for name in ("*.md", "cdk.json") for one in (ROOT / "examples").rglob(name)),
    ]
)
SOURCES = sorted(
    one for folder in ("src", "client/src", "examples", "docs", "benchmarks") for one in (ROOT / folder).rglob("*.py")
)

WORDS_THAT_GO = {
    r"(?<![-\w])mail(s|ed)?\b": "email, notification",
    r"\bpage(s|rs?)?\b|\bpag(ed|ing)\b": "notification",
    r"\bknock(s|ed|ing)?\b": "connection probe",
    r"\bwatch(es|ed|ing)?\b": "monitoring, monitor",
    r"\b(monitors?|observers?|Regions?|runs?|alarms?|deployments?|CloudWatch|that|which|who) looks?\b": "check",
    r"\blook(s|ed|ing) at\b|\bthe looks?\b|\blook_ms\b": "check, evaluate",
    r"\b(heal|mend)(s|ed|ing)?\b|--heal\b": "repair",
    r"\bhandshakes?\b": "peering",
    r"\bregistr(y|ies)\b": "SSM parameters, parameter registry",
    r"\b(tell|tells|told|telling)\b": "report, notify, show, answer",
    r"\bpatien(ce|t)\b": "evaluation periods",
    r"(?<!as )\bwell\b(?![- ]known)": "healthy",
    r"\bsilen(t|tly|ce|ced)\b": "no data, without an error",
    r"\bembedded (AWS|CloudWatch|Lambda|IAM)\b": "local AWS emulator",
    r"\brehears(al|als|ed|ing)\b|\byou rehearse\b": "local AWS emulator, try",
    r"\b(asks?|asked)( for)? twice\b|\blistened to\b|\bvoices?\b|\bat hand\b|\bbinds? them\b": "what happens",
    r"\bby hand\b": "drift; in the console; manually",
    r"\bthe one line\b|\bone-liner\b": "the default configuration, MultiRegionDsqlDr",
    r"\btakes? (it |all |the stacks |the pair )?(all )?down\b": "delete",
}
"""Each with what to write instead."""

ALLOWED = {
    r"(web|this|status|man|billing|AWS's|integration's|repository's) pages?": "a page that is read",
    r"pages? (of|that|where) ": "a page that is read",
    r"parameter registry": "where the word is introduced",
    r"(container|package|npm|from) registry|registry, proxy|`EINTEGRITY`, the registry": "where packages come from",
    r"TLS handshakes?": "what TLS calls it",
    r"release[-_ ]rehearsal": "make release-rehearsal, by its name",
    r"`[^`]*test_[^`]*`": "the name of a test",
    r"\]\([^)]*\)|https?://\S+": "where a link leads",
    r"docs/adr/\S+|`[\w./*{},-]*/[\w./*{},-]*`": "a file",
}
"""What a word that goes may stand in, each with the reason."""


def found(text: str) -> Iterator[str]:
    """Words that go in *text*, with what is around each."""
    for one in ALLOWED:
        text = re.sub(one, lambda allowed: "·" * len(allowed[0]), text, flags=re.IGNORECASE)
    for word, instead in WORDS_THAT_GO.items():
        for hit in re.finditer(word, text, re.IGNORECASE):
            around = " ".join(text[max(0, hit.start() - 40) : hit.end() + 40].split())
            yield f"{hit[0]!r} in {around!r}: write {instead}"


def texts(source: Path) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and other texts of a module; names of modules, keys and the like have no space."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    with source.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
            elif token.type == tokenize.NAME and source.is_relative_to(ROOT / "examples"):  # they are read whole
                yield token.start[0], token.string.replace("_", " ")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_document_has_none_of_the_words_that_go(document: Path) -> None:
    assert list(found(document.read_text())) == []


def test_help_of_make_and_descriptions_of_the_packages_have_none_of_the_words_that_go() -> None:
    helps = re.findall(r"##(.*)", (ROOT / "Makefile").read_text())
    projects = [(ROOT / folder / "pyproject.toml").read_text() for folder in (".", "client")]
    descriptions = [found for one in projects for found in re.findall(r'^description = "(.*)"', one, re.MULTILINE)]
    assert len(helps) > 5
    assert len(descriptions) == 2
    assert [word for one in [*helps, *descriptions] for word in found(one)] == []


@pytest.mark.parametrize("package", sorted({one.parent for one in SOURCES}), ids=lambda one: str(one.relative_to(ROOT)))
def test_docstrings_messages_and_comments_have_none_of_the_words_that_go(package: Path) -> None:
    said = [
        f"{source.name}:{line}: {word}"
        for source in SOURCES
        if source.parent == package
        for line, text in texts(source)
        for word in found(text)
    ]
    assert said == []


def test_names_of_tests_have_none_of_the_words_that_go() -> None:
    names = [
        name.replace("_", " ")
        for source in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)", source.read_text(), re.MULTILINE)
    ]
    assert len(names) > 500
    assert [word for one in names for word in found(one)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Each gets a mail to confirm first.",
        "How long until the page comes.",
        "The knock ends TLS.",
        "One cdk destroy takes all down.",
        "Data goes only when you ask twice.",
        "Thresholds and patience are yours.",
        "Neither does a first deployment; it tells one OK.",
        "Someone who turned it on by hand is listened to.",
        "Somebody changed what binds them.",
        "No Aurora DSQL was at hand.",
        "The monitor looks at both clusters.",
        "The registry has the endpoint.",
        "All is well.",
        "Watches the pair.",
        "Pages come.",
        "It pages on faults, and a pager rings.",
        "Tells you.",
        "Patience of an alarm.",
        "Silence is missing data.",
        "Handshake failed.",
        "Registry entries.",
        "By hand, in the console.",
        "Knock.",
        "Mend the peering.",
        "Embedded AWS.",
        "Every cluster is looked at.",
        "Deployments look at the pair.",
    ],
)
def test_sentences_that_were_misunderstood_are_found(sentence: str) -> None:
    assert list(found(sentence)) != []


@pytest.mark.parametrize(
    "sentence",
    [
        "A web page is refused.",
        "It is in the parameter registry, SSM parameters by name.",
        "The TLS handshake failed.",
        "make release-rehearsal publishes as well.",
        "PagerDuty acknowledges it.",
        "Look at AWS Health.",
        "See https://pypi.org/registry and `test_attacks_are_told`.",
    ],
)
def test_sentences_that_are_plain_are_not(sentence: str) -> None:
    assert list(found(sentence)) == []
