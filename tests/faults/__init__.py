"""Faults for the tests: mills that hang, crash, fail for a while, eat memory or write to stdout.

Each module has a `mill` around pixmill's own, for `api.optimize(..., mill="faults.hanging:mill")`.
What is faulty is told by the source's name, what was tried before by files in a folder.
"""
