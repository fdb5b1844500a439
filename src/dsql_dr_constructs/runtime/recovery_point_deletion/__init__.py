"""Deletes the recovery points of a vault with its stack; the function is a custom resource's."""
