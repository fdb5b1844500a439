"""Few combinations of options in which every two values of any two options meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any


def pairwise(options: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Greedy: each row takes, option by option, the value that meets most of what has not met yet."""
    names = list(options)
    missing = {
        ((one, i), (other, j))
        for one, other in combinations(names, 2)
        for i, j in product(range(len(options[one])), range(len(options[other])))
    }
    while missing:
        (first, i), (second, j) = min(missing)
        row = {first: i, second: j}
        for name in names:
            if name not in row:
                row[name] = max(
                    range(len(options[name])), key=lambda k: len(missing & set(_pairs(row, name, k, names)))
                )
        missing -= {pair for name in names for pair in _pairs(row, name, row[name], names)}
        yield {name: options[name][row[name]] for name in names}


def _pairs(row: Mapping[str, int], name: str, value: int, names: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """*name* with *value*, beside each other option of *row*."""
    for other, j in row.items():
        if other != name:
            one, two = (name, value), (other, j)
            yield (one, two) if names.index(name) < names.index(other) else (two, one)
