"""Speeds and times left, by a clock that stands still between two looks."""

import math

import pytest

from rcsr_jax.progress import Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr("rcsr_jax.progress.time.monotonic", lambda: now[0])
    return now


def test_the_first_update_is_left_out_of_what_is_left(clock):
    pace = Pace(200)  # a run that goes on
    assert math.isnan(pace.compile_seconds)
    assert [pace.is_first(step) for step in (200, 201, 202)] == [False, True, False]
    clock[0] += 30
    pace.count_from(201)
    assert pace.compile_seconds == 30
    clock[0] += 5  # ten further updates
    assert pace.seconds_left(211, total=251) == pytest.approx(20)


def test_speed_is_that_since_the_last_report(clock):
    pace = Pace(0)
    clock[0] += 9
    pace.count_from(1)
    clock[0] += 4
    assert pace.updates_per_second(9) == pytest.approx(2)
    pace.mark(9)
    clock[0] += 2
    assert pace.updates_per_second(10) == pytest.approx(0.5)
    pace.mark(10)
    assert pace.updates_per_second(10) == 0  # no time and no update
