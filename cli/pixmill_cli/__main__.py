"""`python -m pixmill_cli` is `pixmill`."""

from __future__ import annotations

import sys

from pixmill_cli.entry import main

sys.exit(main())
