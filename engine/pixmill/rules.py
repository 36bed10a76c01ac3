"""What is fixed for the scheduling of a run. Values alone: `dispatch` keeps to them."""

from __future__ import annotations

from dataclasses import dataclass

from pixmill.settings import Order

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is fixed for a run.

    Attributes:
        slots: Most workers at a time.
        budget_bytes: Sum that all leases may reach.
        base_bytes: Lease that any job starts with, enough for a small image.
        common_bytes: What a job may hold beside others; one that needs more is made alone.
            Default: whatever there is.
        timeout_s: Seconds a file may take.
        retries: Further attempts after a failure that may pass.
        pending_jobs: Most jobs waiting in the coordinator.
        resident_bytes: Resident memory above which a worker is replaced between files.
        order: Whether large files may go before their turn.
        chunk_s: Seconds of work that a worker is sent at a time, as far as they can be guessed; 0
            for one file, or some small ones.
        is_timed_afar: Whether files that take too long are ended where they are made, and the
            time until a worker is heard again says nothing.
    """

    slots: int
    budget_bytes: int
    base_bytes: int
    timeout_s: float
    retries: int
    pending_jobs: int = 256
    resident_bytes: int = 1 << 62
    common_bytes: int = 1 << 62
    order: Order = Order.AUTO
    chunk_s: float = 0.0
    is_timed_afar: bool = False
