"""The Lambda side of `DatabaseRole`."""
