"""Hostile bytes for every parser and for whole runs: what `make fuzz` is made of."""
