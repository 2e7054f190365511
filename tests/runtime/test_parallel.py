import os
from collections.abc import Iterator
from functools import partial
from itertools import count, islice

import pytest

from wsss.runtime.errors import WsssError
from wsss.runtime.parallel import mapped


@pytest.fixture(params=[1, 2])
def cores(request, monkeypatch) -> int:
    monkeypatch.setenv("OMP_NUM_THREADS", str(request.param))
    return request.param


def power(base: int, *, exponent: int) -> int:
    return base**exponent


def place(number: int) -> tuple[int, int, str]:
    return number, os.getpid(), os.environ["OMP_NUM_THREADS"]


def reciprocal(number: int) -> float:
    if number == 0:
        raise WsssError("nothing.png is 0: take it out of the list")
    return 1 / number


def counted(drawn: list[int], limit: int) -> Iterator[int]:
    for number in count():
        assert number < limit, "drawn further than it is worked on"
        drawn.append(number)
        yield number


def test_order(cores):
    assert list(mapped(partial(power, exponent=2), range(50))) == [number**2 for number in range(50)]


def test_no_items(cores):
    assert list(mapped(partial(power, exponent=2), [])) == []


def test_items_are_drawn_only_as_needed(cores):
    drawn: list[int] = []
    results = mapped(partial(power, exponent=3), counted(drawn, 40))
    assert drawn == []
    assert list(islice(results, 10)) == [number**3 for number in range(10)]
    assert 10 <= len(drawn) <= 10 + 4 * cores
    results.close()


def test_other_processes_where_there_are_cores(cores):
    found = list(mapped(place, range(20)))
    assert [number for number, _, _ in found] == list(range(20))
    processes = {process for _, process, _ in found}
    assert len(processes) <= cores
    assert (os.getpid() in processes) == (cores == 1)
    assert {threads for _, _, threads in found} == {"1"}


def test_a_mistake_of_the_user_passes_through(cores):
    results = mapped(reciprocal, [1, 2, 0, 4])
    assert next(results) == 1
    assert next(results) == 0.5
    with pytest.raises(WsssError, match=r"^nothing\.png is 0: take it out of the list$"):
        next(results)
