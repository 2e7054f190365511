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


def fastest(function: Callable[[], Tensor], repeats: int) -> tuple[float, Tensor]:
    """Seconds of the fastest of some calls, and the result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main(
    height: int = 47, width: int = 63, classes: int = 3, radius: int = 5, beta: float = 8, squarings: int = 8
) -> None:
    """Print seconds, their ratio and the largest difference of the scores."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, 64, height, width, generator=generator)
    affinities = affinity.affinities(features, radius=radius)[0]
    scores = torch.rand(classes, height, width, generator=generator)
    numbers = {"radius": radius, "beta": beta}
    steps = 2**squarings

    transition = random_walk.transition_matrix(affinities, **numbers).to_dense()
    dense_seconds, dense = fastest(lambda: dense_walk(transition, scores, squarings=squarings), 2)
    seconds, walked = fastest(lambda: random_walk.walk(scores, affinities, **numbers, steps=steps), 20)
    plain_seconds, plain = fastest(lambda: random_walk.walk_plain(scores, affinities, **numbers, steps=steps), 5)

    print(
        f"{height} x {width} grid, {classes} classes, radius {radius}, beta {beta:g}, {steps} steps, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"dense squaring  {dense_seconds:9.4f} s")
    for name, took, result in [("walk_plain", plain_seconds, plain), ("walk", seconds, walked)]:
        difference = (result - dense).abs().max().item()
        print(
            f"{name:<15} {took:9.4f} s  {dense_seconds / took:7.1f} times as fast, largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    tyro.cli(main)
