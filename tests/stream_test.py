"""Answers in order, whatever the threads do; broken items hurt nobody else."""

import threading
import time

import pytest

from rcsr_jax.stream import answers, map_ahead


def squares(items, *, log=None, num_threads=3, batch_weight=4, **options):
    """Squares of numbers, each of a weight: batches are lists of numbers."""

    def start(batch):
        if log is not None:
            log.append(batch)
        return batch

    return answers(
        items,
        prepare=options.pop("prepare", lambda item: item),
        start=start,
        finish=lambda batch: [number**2 for number in batch],
        weigh=options.pop("weigh", lambda number: 1),
        batch_weight=batch_weight,
        num_threads=num_threads,
        **options,
    )


def slow_when_even(number):
    time.sleep(0.01 * (number % 2 == 0))
    return number


def fail_at(*broken):
    def prepare(number):
        if number in broken:
            raise ValueError(f"{number} is torn")
        return slow_when_even(number)

    return prepare


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("num_items", [0, 1, 3, 4, 5, 8, 23])
@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("batch_weight", [1, 4, 100])
def test_answers_come_in_order(num_items, num_threads, batch_weight):
    found = squares(
        range(num_items),
        prepare=slow_when_even,
        num_threads=num_threads,
        batch_weight=batch_weight,
    )
    assert list(found) == [number**2 for number in range(num_items)]


def test_batches_follow_from_the_weights():
    log = []
    numbers = [1, 1, 1, 1, 3, 2, 9, 0, 0, 2, 1, 1]
    found = squares(numbers, log=log, weigh=lambda number: number)
    assert list(found) == [number**2 for number in numbers]
    # up to 4 each; 0 counts as 1; what is heavier than a batch goes alone
    assert log == [[1, 1, 1, 1], [3], [2], [9], [0, 0, 2], [1, 1]]


def test_a_broken_item_is_raised_in_its_place():
    found = squares(range(20), prepare=fail_at(6, 7))
    assert [next(found) for _ in range(6)] == [0, 1, 4, 9, 16, 25]
    with pytest.raises(ValueError, match="^6 is torn$"):
        next(found)
    assert list(found) == []


@pytest.mark.parametrize("broken", [(0,), (6, 7), (4, 5, 6, 7), (19,), range(20)])
def test_a_broken_item_is_its_own_answer(broken):
    found = list(squares(range(20), prepare=fail_at(*broken), return_exceptions=True))
    shown = [str(one) if isinstance(one, ValueError) else one for one in found]
    expected = [f"{n} is torn" if n in broken else n**2 for n in range(20)]
    assert shown == expected


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_items_that_cannot_be_taken_come_last(return_exceptions):
    def items():
        yield from range(6)
        raise OSError("the folder is gone")

    found = squares(items(), return_exceptions=return_exceptions)
    assert [next(found) for _ in range(6)] == [0, 1, 4, 9, 16, 25]
    if return_exceptions:
        assert [str(error) for error in found] == ["the folder is gone"]
    else:
        with pytest.raises(OSError, match="the folder is gone"):
            next(found)


def test_an_error_of_a_batch_ends_the_threads():
    def finish(batch):
        raise RuntimeError("out of memory")

    found = answers(
        range(50),
        prepare=slow_when_even,
        start=list,
        finish=finish,
        weigh=lambda number: 1,
        batch_weight=4,
        num_threads=3,
        return_exceptions=True,
    )
    with pytest.raises(RuntimeError, match="out of memory"):
        list(found)


@pytest.mark.parametrize("num_taken", [0, 1, 7])
def test_closing_early_ends_the_threads_and_takes_no_more(num_taken):
    taken = []

    def items():
        for number in range(10**6):
            taken.append(number)
            yield number

    found = squares(items(), prepare=slow_when_even)
    for number in range(num_taken):
        assert next(found) == number**2
    found.close()
    here = len(taken)
    assert here <= num_taken + 3 * 4
    time.sleep(0.03)
    assert len(taken) == here


def test_only_so_many_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(40):
            taken.append(number)
            yield number

    for done, _ in enumerate(squares(items(), batch_weight=4), start=1):
        # the batch that is answered, the one that is worked on, and what is prepared
        assert len(taken) <= done + 3 * 4


def test_the_next_items_are_prepared_while_a_batch_is_worked_on():
    prepared = [threading.Event() for _ in range(12)]

    def prepare(number):
        prepared[number].set()
        return number

    def finish(batch):  # hangs unless threads go on during it
        assert all(prepared[number + 4].wait(5) for number in batch if number < 8)
        return batch

    found = answers(
        range(12),
        prepare=prepare,
        start=list,
        finish=finish,
        weigh=lambda number: 1,
        batch_weight=4,
        num_threads=1,
    )
    assert list(found) == list(range(12))


def test_items_are_prepared_at_the_same_time():
    together = threading.Barrier(3)

    def meet(number):
        together.wait(5)  # breaks unless three threads come
        return number

    assert list(map_ahead(meet, range(9), num_threads=3, look_ahead=5)) == [*range(9)]
