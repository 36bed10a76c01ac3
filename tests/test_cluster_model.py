"""The paper model of clusters: its page is what it says, and its sums are sums."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster_model import ARCHIVES, JOBS, MACHINE, PAGE, PRICES, Archive, fleet, page

JOB = replace(JOBS[0], cpu_s=0.1, read_bytes=300e3, written_bytes=300e3)


def test_the_page_is_what_the_model_says() -> None:
    """bench/results/cluster-model.md is what `python bench/cluster_model.py` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_fleet_meets_its_deadline() -> None:
    """Machines work long enough for all images, and one fewer would not."""
    for archive in ARCHIVES:
        found = fleet(JOB, archive)
        needed = archive.images * found.cpu_s / MACHINE.busy / MACHINE.cpus
        given = archive.days * 86_400
        assert found.machines * given >= needed > (found.machines - 1) * given
        assert found.cpu_h * 3600 == pytest.approx(needed * MACHINE.cpus)


def test_a_hundred_times_the_images_is_a_hundred_times_the_bill() -> None:
    """CPU and requests grow with the images, whatever the deadline; only listing again does not."""
    one, many = fleet(JOB, Archive(1e8, 7)), fleet(JOB, Archive(1e10, 30))
    assert many.cpu_h == pytest.approx(100 * one.cpu_h)
    assert many.request_dollars == pytest.approx(100 * one.request_dollars)
    assert one.request_dollars == pytest.approx(1e5 * (PRICES.gets + PRICES.puts))
    assert many.list_dollars > 100 * one.list_dollars
    assert many.parted_dollars < many.list_dollars
