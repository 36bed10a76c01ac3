"""Bytes at equal score, encoder against encoder: what `make bench-quality` is made of."""
