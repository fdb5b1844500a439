"""Drills: a Region fails on purpose, for a while, and on the real pair."""
