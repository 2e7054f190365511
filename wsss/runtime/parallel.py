"""One function over many images, in as many processes as this job has cores."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from wsss.runtime import machine
from wsss.runtime.errors import WsssError

Item = TypeVar("Item")
Result = TypeVar("Result")


def _begin(parent: int) -> None:
    """What a worker does first: it has one thread, and does not outlive the process that it works for."""
    machine.use_threads(1)
    machine.end_with(parent)


def mapped(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """function(item) for each item, in the items' order.

    Items are drawn only as fast as they are worked on, so memory does not grow with their number. `function` and the
    items go to other processes: a function at the top of a module, or a partial of one.
    """
    workers = machine.cores()
    if workers == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("forkserver")  # a fork of a process that ran torch's threads may hang
    context.set_forkserver_preload([getattr(function, "func", function).__module__])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise WsssError(
                "a worker process was killed, probably out of memory: give fewer --threads "
                "(in a workflow --set-threads STAGE=2, or more mem_mb), or smaller photographs"
            ) from error
