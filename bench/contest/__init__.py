"""The contest of `make bench`: jobs, contestants, how each is measured, and how it is told."""
