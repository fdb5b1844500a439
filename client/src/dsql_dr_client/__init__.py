"""Connections to Aurora DSQL in two Regions: the own one first, the other one when that fails."""
