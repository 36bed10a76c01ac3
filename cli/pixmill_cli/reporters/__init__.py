"""Observers of a run: each shows or writes one thing, none of them raises."""
