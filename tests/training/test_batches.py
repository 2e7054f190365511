"""Which images form the batch of a step, and what is drawn for each."""

import pytest
import torch

from wsss.runtime.errors import WsssError
from wsss.training import loop


def item(position: int) -> torch.Tensor:
    return position + torch.rand(3)


@pytest.mark.parametrize(("length", "batch"), [(10, 3), (9, 3), (5, 5), (7, 1)])
def test_each_epoch_is_a_shuffle(length, batch):
    per_epoch = length // batch
    steps = 4 * per_epoch
    batches = loop.Batches(length, batch_size=batch, seed=1, start=0, steps=steps)
    drawn = list(batches)
    assert len(batches) == len(drawn) == steps
    assert all(len(one) == batch for one in drawn)
    epochs = [
        [position for one in drawn[place : place + per_epoch] for position, _ in one]
        for place in range(0, steps, per_epoch)
    ]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == per_epoch * batch
        assert set(epoch) <= set(range(length))
    assert len({tuple(epoch) for epoch in epochs}) > 1
    seeds = [seed for one in drawn for _, seed in one]
    assert len(set(seeds)) == len(seeds)


def test_every_image_is_drawn_in_the_end():
    batches = loop.Batches(10, batch_size=3, seed=0, start=0, steps=60)
    assert {position for one in batches for position, _ in one} == set(range(10))


@pytest.mark.parametrize("start", range(10))
def test_batches_from_the_middle(start):
    def drawn(start: int) -> list:
        return list(loop.Batches(10, batch_size=3, seed=2, start=start, steps=10))

    assert drawn(start) == drawn(0)[start:]


def test_other_seeds_draw_other_batches():
    first, other = (list(loop.Batches(10, batch_size=3, seed=seed, start=0, steps=3)) for seed in (0, 1))
    assert first != other
    assert {seed for one in first for _, seed in one}.isdisjoint(seed for one in other for _, seed in one)


def test_items_leave_the_global_generator_alone():
    items = loop.Items(item, 3)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = items[1, 7], items[1, 7], items[1, 8]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(items) == 3


def refused(position: int) -> torch.Tensor:
    if position == 2:
        raise WsssError("2.jpg is no picture")
    return torch.ones(3)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_input_is_told_in_one_line_whoever_reads_it(workers):
    loader = torch.utils.data.DataLoader(
        loop.Items(refused, 3),
        batch_sampler=[[(0, 1), (1, 2)], [(1, 3), (2, 4)]],
        collate_fn=loop.collated,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    good, bad = loader
    assert torch.equal(good, torch.ones(2, 3))
    assert isinstance(bad, WsssError)
    assert str(bad) == "2.jpg is no picture"
