"""Clusters, and what makes a pair of two."""
