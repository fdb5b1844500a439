"""How CloudWatch evaluates alarms, by its documentation: M of N, missing data, metric math, composite rules.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

EXTRA_PERIODS = 2
"""Periods that the evaluation range is longer than the alarm asks for: 2 in the documentation's tables. How many they
are in fact depends on the period, and is not documented."""

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True)
class MetricQuery:
    """One metric with the statistic that an alarm asks of it."""

    namespace: str
    metric_name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str


Fetch = Callable[[MetricQuery, float, float], "float | None"]
"""Gives a query's value from (inclusive) to (exclusive); None if nothing was put."""


@dataclass(frozen=True)
class AlarmDefinition:
    """A metric alarm as its template, or PutMetricAlarm, has it."""

    name: str
    period: float
    evaluation_periods: int
    datapoints_to_alarm: int
    threshold: float
    comparison: str
    missing_data: str
    queries: Mapping[str, MetricQuery]
    expression: str

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> AlarmDefinition:
        """From properties named as CloudFormation and CloudWatch name them."""
        period, queries, expression = _metrics(properties)
        return cls(
            name=properties["AlarmName"],
            period=float(period),
            evaluation_periods=int(properties["EvaluationPeriods"]),
            datapoints_to_alarm=int(properties.get("DatapointsToAlarm") or properties["EvaluationPeriods"]),
            threshold=float(properties["Threshold"]),
            comparison=properties["ComparisonOperator"],
            missing_data=properties.get("TreatMissingData") or "missing",
            queries=queries,
            expression=expression,
        )

    def datapoints(
        self, fetch: Fetch, now: float, *, extra: int = EXTRA_PERIODS, scale: float = 1.0
    ) -> list[float | None]:
        """The evaluation range that ends at *now*, oldest first; it moves on with every evaluation.

        Args:
            fetch: Where the metrics are.
            now: Seconds.
            extra: Periods more than the alarm asks for.
            scale: Factor on the period.
        """
        period = self.period * scale
        count = self.evaluation_periods + extra
        return [self._value(fetch, now - (back + 1) * period, now - back * period) for back in reversed(range(count))]

    def state(self, datapoints: Sequence[float | None], before: str) -> str:
        """OK, ALARM or INSUFFICIENT_DATA.

        Args:
            datapoints: The evaluation range, oldest first; None is missing.
            before: The state until now.
        """
        real = [value for value in datapoints if value is not None]
        judged = real[-self.evaluation_periods :]  # with enough of them, missing ones do not count
        breaching = sum(_COMPARISONS[self.comparison](value, self.threshold) for value in judged)
        absent = self.evaluation_periods - len(judged)
        needed = self.datapoints_to_alarm
        if absent and self.missing_data == "breaching":
            breaching += absent
        elif absent and self.missing_data in ("ignore", "missing"):
            if not judged:
                return before if self.missing_data == "ignore" else INSUFFICIENT_DATA
            if self.missing_data == "missing":
                needed = min(needed, len(judged))
            elif breaching < needed and breaching == len(judged):
                return before
        return ALARM if breaching >= needed else OK

    def _value(self, fetch: Fetch, start: float, end: float) -> float | None:
        return evaluate(self.expression, {id: fetch(query, start, end) for id, query in self.queries.items()})


def composite_state(rule: str, states: Mapping[str, str]) -> str:
    """OK or ALARM.

    Args:
        rule: As in a composite alarm's ``AlarmRule``, of AND, OR, NOT and ALARM, OK, INSUFFICIENT_DATA of an alarm.
        states: Of the alarms by name; the rule may give an ARN.
    """
    return ALARM if _holds(_parse_rule(rule), states) else OK


@lru_cache
def _parse_rule(rule: str) -> ast.expr:
    python = re.sub(r"\b(AND|OR|NOT)\b", lambda word: word[1].lower(), rule)
    return ast.parse(python, mode="eval").body


def _holds(node: ast.expr, states: Mapping[str, str]) -> bool:
    if isinstance(node, ast.BoolOp):
        parts = (_holds(one, states) for one in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _holds(node.operand, states)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and isinstance(node.args[0], ast.Constant):
        name = str(node.args[0].value).rpartition(":")[2]
        return states[name] == node.func.id
    raise ValueError(f"An alarm rule with {ast.unparse(node)} is not supported by the local AWS emulator.")


def _metrics(properties: Mapping[str, Any]) -> tuple[float, dict[str, MetricQuery], str]:
    """Period, queries by id, and the expression that gives the alarm's value."""
    if not properties.get("Metrics"):
        statistic = properties.get("ExtendedStatistic") or properties["Statistic"]
        return properties["Period"], {"m": _query(properties, statistic)}, "m"
    queries, periods, expression = {}, [], ""
    for one in properties["Metrics"]:
        if one.get("ReturnData", True):
            expression = one.get("Expression", one["Id"])
        if "MetricStat" in one:
            queries[one["Id"]] = _query(one["MetricStat"]["Metric"], one["MetricStat"]["Stat"])
            periods.append(one["MetricStat"]["Period"])
    return max(periods), queries, expression


def _query(metric: Mapping[str, Any], statistic: str) -> MetricQuery:
    dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions") or [])
    return MetricQuery(metric["Namespace"], metric["MetricName"], dimensions, statistic)


# metric math, of which an expression in Python's grammar is enough

_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}


def evaluate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """The value of metric math, with the datapoints of one period by id; None is missing."""
    return _evaluate(_parse(expression), values)


@lru_cache
def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _evaluate(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Compare):
        return _combine(node.ops[0], node.left, node.comparators[0], values)
    if isinstance(node, ast.BinOp):
        return _combine(node.op, node.left, node.right, values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, node.args, values)
    raise ValueError(f"Metric math with {ast.unparse(node)} is not supported by the local AWS emulator.")


def _combine(how: ast.AST, left: ast.expr, right: ast.expr, values: Mapping[str, float | None]) -> float | None:
    first, second = _evaluate(left, values), _evaluate(right, values)
    return None if first is None or second is None else float(_OPERATORS[type(how)](first, second))


def _call(name: str, arguments: Sequence[ast.expr], values: Mapping[str, float | None]) -> float | None:
    if name == "FILL":
        found = _evaluate(arguments[0], values)
        return _evaluate(arguments[1], values) if found is None else found
    if name == "MAX" and isinstance(arguments[0], ast.List):
        present = [value for value in (_evaluate(one, values) for one in arguments[0].elts) if value is not None]
        return max(present, default=None)
    if name == "IF":
        condition = _evaluate(arguments[0], values)
        return None if condition is None else _evaluate(arguments[1 if condition else 2], values)
    raise ValueError(f"Metric math with {name} is not supported by the local AWS emulator.")


def statistic(name: str, values: Iterable[float]) -> float | None:
    """Of the values put in one period; None if there are none."""
    found = sorted(values)
    if not found:
        return None
    if name.startswith("p"):
        return found[min(len(found) - 1, int(len(found) * float(name[1:]) / 100))]
    known: dict[str, Callable[[Sequence[float]], float]] = {
        "Minimum": min,
        "Maximum": max,
        "Sum": sum,
        "SampleCount": len,
    }
    return float(known[name](found)) if name in known else sum(found) / len(found)
