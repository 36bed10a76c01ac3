"""Hold one job: everybody on the same files, in turn, round after round.

The first round warms the file cache, watches memory and judges the results; its times do not
count. In each later round somebody else begins. Must not print.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from contest.contestants import FLOOR, Order
from contest.judging import fault_of, written_bytes
from contest.looks import Looks
from contest.measuring import Spent, spent_on
from contest.standings import Heat, Standing
from pixmill.machine import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from contest.contestants import Contestant
    from contest.jobs import Job
    from contest.measuring import Command

__all__ = ["held"]


def held(job: Job, contestants: Iterable[Contestant], folder: Path, *, rounds: int) -> Heat:
    """Return how each did; who fails, or does another job than asked, is told and left out.

    Args:
        job: What is done.
        contestants: pixmill first.
        folder: An empty one.
        rounds: How many are timed.
    """
    place = job.prepare(folder, job.files)
    files = tuple(sorted(file for file in place.source.rglob("*") if file.is_file()))
    order = Order(job, place, files, usable_cpus(), folder)
    standings = {each.name: Standing(each.name, each.title) for each in contestants}
    commands = {each.name: each.command(order) for each in contestants}
    looks = Looks(order)
    for name, command in commands.items():
        _judge(standings[name], command, looks)
    for number in range(rounds):
        for name in _rotated(list(commands), number):
            if not standings[name].fault:
                _time(standings[name], commands[name], order)
    read_bytes = sum(file.stat().st_size for file in files)
    return Heat(job, read_bytes, tuple(standings.values()), standings.get(FLOOR.name))


def _judge(standing: Standing, command: Command, looks: Looks) -> None:
    order = looks.order
    spent = _run(command, order, is_watched=True)
    standing.tree_bytes = spent.tree_bytes
    is_capped = standing.name != FLOOR.name
    standing.fault = spent.complaint or fault_of(order, is_capped=is_capped)
    standing.written_bytes = written_bytes(order)
    standing.score = None if standing.fault else looks.score()


def _time(standing: Standing, command: Command, order: Order) -> None:
    spent = _run(command, order)
    standing.fault = spent.complaint
    standing.wall_s.append(spent.wall_s)
    standing.cpu_s.append(spent.cpu_s)


def _run(command: Command, order: Order, *, is_watched: bool = False) -> Spent:
    destination = order.place.destination
    if not order.job.is_repeated:
        shutil.rmtree(destination, ignore_errors=True)
        shutil.rmtree(f"{destination}.pixmill", ignore_errors=True)
        destination.mkdir()
    return spent_on(command, is_watched=is_watched)


def _rotated(names: list[str], by: int) -> list[str]:
    start = by % len(names)
    return names[start:] + names[:start]
