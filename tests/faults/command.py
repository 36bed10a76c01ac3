"""The command `pixmill` with faults: `python -m faults.command optimize IN OUT ...`.

The mill that workers use and the clock that the coordinator looks at are told by the environment.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from pixmill import api
from pixmill_cli.entry import main

__all__ = ["CLOCK", "MILL"]

MILL: Final = "PIXMILL_FAULT_MILL"
"""Environment variable with the mill, as `module:function`."""
CLOCK: Final = "PIXMILL_FAULT_CLOCK"
"""Environment variable with a seed: the clock jumps backwards now and then."""

if __name__ == "__main__":
    if os.environ.get(CLOCK):
        from faults.clock import jumping

        jumping(int(os.environ[CLOCK]))
    if os.environ.get(MILL) and api.optimize.__kwdefaults__:
        api.optimize.__kwdefaults__["mill"] = os.environ[MILL]
    sys.exit(main())
