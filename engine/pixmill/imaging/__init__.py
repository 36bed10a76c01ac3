"""The only door to pyvips and Pillow.

Its modules turn files into facts, facts into pixels and pixels into bytes; every failure of a file
leaves as `errors.ImagingError`. Must not decide what is worth doing: `planning` and the strategies
do.
"""
