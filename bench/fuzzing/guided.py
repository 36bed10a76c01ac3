"""One parser under atheris: coverage of pixmill's bytecode decides which inputs are kept.

Run as `python -m fuzzing.guided TARGET [libFuzzer's options and folders]` by `bench/fuzz.py`; ends
with libFuzzer's exit status: 0 where every input kept the contract, 70 for one that took too long,
71 for one that took too much memory, 77 for any other.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pixmill"]):
    from fuzzing.contracts import CONTRACTS, sparing
    from pixmill.registry import codecs

    codecs()  # records are imported when first asked for, and must be while this watches


def main() -> None:
    """Try inputs until the time is up or one breaks the contract."""
    keeps_contract = CONTRACTS[sys.argv[1]]

    def tried(data: bytes) -> None:
        with sparing(len(data)):
            keeps_contract(data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], tried)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
