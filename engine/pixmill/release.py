"""The version of this code, which the package is built with.

A constant: to ask the installation for it took 47 of the 860 million instructions of a start.
"""

__all__ = ["VERSION"]

VERSION = "0.1.0"
