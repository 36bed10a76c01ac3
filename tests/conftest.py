"""What every test runs under."""

from __future__ import annotations

from hypothesis import settings

# Two busy cores make any example slow now and then, which is no property of the code.
settings.register_profile("pixmill", deadline=None)
settings.load_profile("pixmill")
