"""Time of the sparse random walk beside that of the dense one, on the CPU, and how far apart their results are.

    OMP_WAIT_POLICY=passive PYTHONPATH=. python benchmarks/random_walk.py

`--help` lists the sizes that can be changed. The dense walk is the usual way: the pixels x pixels transition matrix is
squared `squarings` times, which makes 2^squarings steps, and applied to the scores. Building its matrix is not in its
time, building the sparse one is in the time of the sparse walks. OMP_WAIT_POLICY matters where other programs use the
same cores: threads that spin while they wait for one another make many short products some ten times slower.
"""

import time
from collections.abc import Callable

import torch
import tyro
from torch import Tensor

from wsss.psa import affinity, random_walk


def dense_walk(transition: Tensor, scores: Tensor, *, squarings: int) -> Tensor:
    """Scores after 2^squarings steps, by squaring."""
    for _ in range(squarings):
        transition = transition @ transition
    return (transition @ scores.flatten(1).T).T.reshape(scores.shape)


def fastest(variants: dict[str, Callable[[], Tensor]], calls: dict[str, int], rounds: int) -> dict[str, float]:
    """Seconds of the fastest call of each variant; they take turns, each with so many calls in a round."""
    seconds = dict.fromkeys(variants, float("inf"))
    for _ in range(rounds):
        for name, function in variants.items():
            for _ in range(calls[name]):
                start = time.perf_counter()
                function()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def main(
    height: int = 47,
    width: int = 63,
    classes: int = 3,
    radius: int = 5,
    beta: float = 8,
    squarings: int = 8,
    rounds: int = 2,
) -> None:
    """Print seconds, their ratio and the largest difference of the scores."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, 64, height, width, generator=generator)
    affinities = affinity.affinities(features, radius=radius)[0]
    scores = torch.rand(classes, height, width, generator=generator)
    numbers = {"radius": radius, "beta": beta}
    steps = 2**squarings

    transition = random_walk.transition_matrix(affinities, **numbers).to_dense()
    variants = {
        "dense squaring": lambda: dense_walk(transition, scores, squarings=squarings),
        "walk_plain": lambda: random_walk.walk_plain(scores, affinities, **numbers, steps=steps),
        "walk": lambda: random_walk.walk(scores, affinities, **numbers, steps=steps),
    }
    results = {name: run() for name, run in variants.items()}
    seconds = fastest(variants, {"dense squaring": 1, "walk_plain": 3, "walk": 10}, rounds)
    dense, dense_seconds = results["dense squaring"], seconds["dense squaring"]

    print(
        f"{height} x {width} grid, {classes} classes, radius {radius}, beta {beta:g}, {steps} steps, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"dense squaring  {dense_seconds:9.4f} s")
    for name in ("walk_plain", "walk"):
        took, difference = seconds[name], (results[name] - dense).abs().max().item()
        print(
            f"{name:<15} {took:9.4f} s  {dense_seconds / took:7.1f} times as fast, largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    tyro.cli(main)
