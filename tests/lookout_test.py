"""What is due after an update, by the number of updates, the time and a signal."""

import dataclasses

import jax
import pytest

from rcsr_jax import hosts, lookout
from rcsr_jax.config import TrainConfig
from rcsr_jax.lookout import Look, Lookout

CONFIG = TrainConfig(num_updates=47, eval_every=15)


def looks(config=CONFIG, *, should_stop=lambda: False):
    watch = Lookout(config, should_stop=should_stop)
    steps = range(1, config.num_updates + 1)
    return {step: watch.after(step, first=step == 1) for step in steps}


def test_reports_and_validations_of_an_undisturbed_run():
    found = looks()
    assert {n for n, look in found.items() if look.report} == {
        *(1, 10, 15, 20, 30, 40, 45, 47)
    }
    assert {n for n, look in found.items() if look.evaluate} == {15, 30, 45, 47}
    assert not any(look.told or look.late for look in found.values())


def test_a_signal_ends_without_a_validation_unless_it_was_the_last_update():
    found = looks(should_stop=lambda: True)
    assert found[7] == found[15] == Look(report=True, told=True)
    assert found[47] == Look(report=True, evaluate=True, told=True)


def test_time_that_is_up_ends_with_a_validation(monkeypatch):
    clock = iter([100.0, 159.0, 161.0])
    monkeypatch.setattr(lookout.time, "monotonic", lambda: next(clock))
    watch = Lookout(
        dataclasses.replace(CONFIG, max_seconds=60.0), should_stop=lambda: False
    )
    assert watch.after(3, first=False) == Look()
    assert watch.after(4, first=False) == Look(report=True, evaluate=True, late=True)


@pytest.mark.parametrize("step", [7, 10])
def test_several_processes_agree_every_tenth_update_alone(monkeypatch, step):
    asked = []

    def any_of(*here):
        asked.append(here)
        return (True, False)  # another process was told to stop

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(hosts, "any_of", any_of)
    look = Lookout(CONFIG, should_stop=lambda: False).after(step, first=False)
    if step == 7:
        assert look == Look()
        assert not asked
    else:
        assert look == Look(report=True, told=True)
        assert asked == [(False, False)]
