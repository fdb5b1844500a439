"""What things are called in AWS after their deployment; people and programs look for these, so they never change."""

from __future__ import annotations

MONITOR = "aurora-dsql-monitor-"


def monitor_name(deployment: str) -> str:
    """Physical name of the monitor's function and of the rule that calls it; people type both."""
    return f"{MONITOR}{deployment}"


def peering_name(deployment: str) -> str:
    """Physical name of the peering's function, in the Region of the second cluster; people type it to repair a pair.

    Its first part is as long as the monitor's, so that every deployment name that fits one fits the other.
    """
    return f"aurora-dsql-peering-{deployment}"


def dashboard_name(deployment: str) -> str:
    """Physical name of the dashboard; it is one for all Regions."""
    return f"Aurora-DSQL-DR-Dashboard-{deployment}"


def alarm_name(deployment: str, what: str) -> str:
    """Physical name of the alarm for *what*, the same in every Region."""
    return f"aurora-dsql-{deployment}-{what}"
