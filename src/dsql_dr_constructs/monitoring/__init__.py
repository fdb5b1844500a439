"""Monitoring of a pair: functions that check it, alarms, topics, the dashboard."""
