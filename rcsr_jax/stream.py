"""Work on many items: made ready on threads, handled in batches, answered in order.

What an item is and how it is answered is the caller's; nothing here knows of pictures.
"""

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NoReturn, TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Started = TypeVar("Started")
Answer = TypeVar("Answer")


def answers(
    items: Iterable[Item],
    *,
    prepare: Callable[[Item], Ready],
    start: Callable[[list[Ready]], Started],
    finish: Callable[[Started], Iterable[Answer]],
    weigh: Callable[[Ready], int],
    batch_weight: int,
    num_threads: int,
    return_exceptions: bool = False,
) -> Iterator[Answer | Exception]:
    """The answer to each item, in the order of items.

    While one batch is worked on, the items of the next are prepared, `batch_weight` of
    them at most. Which items share a batch follows from their weights alone, never from
    the time. Closing the iterator ends its threads, after what they are just doing.

    Args:
        items: taken one by one, by the thread that takes the answers. If taking one
            fails, that exception is the last answer.
        prepare: what can be done with an item alone; runs on threads.
        start: begins the work on a batch, and need not wait for it.
        finish: waits for what `start` began; as many answers as it was given things.
        weigh: what a prepared item counts in its batch; at least as 1.
        batch_weight: a batch is started when it has reached this, or just before an
            item that would take it beyond.
        num_threads: that prepare.
        return_exceptions: an item that fails is answered with its exception and the
            others go on; otherwise it is raised in place of its answer and ends all.
    """
    started: deque[tuple[Started | None, list[Ready | Exception]]] = deque()

    def finished() -> Iterator[Answer | Exception]:
        work, batch = started.popleft()
        found = iter(() if work is None else finish(work))
        for ready in batch:
            if not isinstance(ready, Exception):
                yield next(found)
            elif return_exceptions:
                yield ready
            else:
                raise ready

    prepared = map_ahead(
        prepare, items, num_threads=num_threads, look_ahead=batch_weight
    )
    with closing(prepared):
        for batch in _batches(prepared, weigh=weigh, batch_weight=batch_weight):
            whole = [ready for ready in batch if not isinstance(ready, Exception)]
            started.append((start(whole) if whole else None, batch))
            if len(started) > 1:
                yield from finished()
        if started:
            yield from finished()


def map_ahead(
    function: Callable[[Item], Ready],
    items: Iterable[Item],
    *,
    num_threads: int,
    look_ahead: int,
) -> Generator[Ready | Exception, None, None]:
    """The function of each item, or what it raised, in order, worked out on threads.

    Args:
        function: of an item.
        items: if taking one fails, that exception is the last result.
        num_threads: how many.
        look_ahead: items that are taken beyond the one whose result is waited for.
    """
    with ThreadPoolExecutor(num_threads) as pool:
        ahead: deque[Future[Ready | Exception]] = deque()
        try:
            for call in _calls(function, items):
                ahead.append(pool.submit(_outcome, call))
                if len(ahead) > look_ahead:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _calls(
    function: Callable[[Item], Ready], items: Iterable[Item]
) -> Iterator[Callable[[], Ready]]:
    try:
        for item in items:
            yield functools.partial(function, item)
    except Exception as error:
        yield functools.partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error


def _outcome(call: Callable[[], Ready]) -> Ready | Exception:
    try:
        return call()
    except Exception as error:
        return error


def _batches(
    prepared: Iterable[Ready | Exception],
    *,
    weigh: Callable[[Ready], int],
    batch_weight: int,
) -> Iterator[list[Ready | Exception]]:
    batch: list[Ready | Exception] = []
    total = 0
    for ready in prepared:
        weight = 1 if isinstance(ready, Exception) else max(weigh(ready), 1)
        if batch and total + weight > batch_weight:
            yield batch
            batch, total = [], 0
        batch.append(ready)
        total += weight
        if total >= batch_weight:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
