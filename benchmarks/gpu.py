"""Speed of what a GPU does for the methods, each figure beside what the machine allows, as one table in Markdown.

    PYTHONPATH=. python benchmarks/gpu.py

It wants a large GPU and takes at most 8 minutes there (`--minutes`: rows that would begin later are left out). On a CPU
`--device cpu --small` runs the rows of one network at tiny sizes, to see that they run. Figures are medians of wall
time, after calls that are not timed, with the GPU waited for. The limit is that of `limits.py`, from a copy and matrix
products of the same run; for loading it is the decoding of the photographs alone. A convolution can do with fewer
operations than its definition (Winograd), so that a small one may pass its limit. A row that fails says so.

The inputs are made up and the networks' weights random, with fixed norms as in training from pretrained weights. Maps
in bf16-mixed are by autocast, as a training has it; the stages cams and scores themselves work in float32, of which
GPUs' convolutions take no short cut there (`machine.exact`). Photographs of one size go through them together.
"""

import gc
import time
from collections.abc import Iterator
from typing import Literal

import torch
import tyro
from crf import machine_in_words
from gpu_maths import crf_lines, psa_lines
from gpu_networks import loader_found, network_lines, scores_lines
from gpu_rows import Bench, Line, Measure, Sizes
from limits import measured

from wsss.runtime import machine

LARGE = Sizes(
    9,
    8192,
    2**30,
    320,
    32,
    1200,
    41,
    15,
    (375, 500),
    ((47, 63), (94, 126)),
    448,
    16,
    8,
    (0.5, 1, 1.5, 2),
    (256, 512),
    9,
    machine.MOST_TOGETHER,
    ("timm/tf_efficientnet_lite0", "timm/resnet50", "vgg16", "resnet38"),
)
SMALL = Sizes(
    1, 512, 2**26, 32, 2, 64, 9, 2, (24, 32), ((6, 8), (8, 12)), 32, 2, 2, (1, 2), (24, 48), 2, 2, LARGE.backbones[:1]
)


def lines(bench: Bench) -> Iterator[Line]:
    """All rows."""
    sizes = bench.sizes
    yield from crf_lines(bench)
    yield from psa_lines(bench)
    yield from network_lines(bench)
    yield from scores_lines(bench)
    longest = max(sizes.photograph)
    yield (
        f"loading crops of {sizes.crop_px} px from JPEG of {longest} × {longest} px",
        "",
        lambda: loader_found(bench),
    )


def row_of(name: str, goal: str, measure: Measure) -> str:
    """A line of the table; of a row that fails, why."""
    try:
        found = measure()
    except Exception as error:  # memory, or what a version of torch cannot do: the other rows go on
        reason = (str(error).splitlines() or [""])[0][:100].replace("|", "/")
        return f"| {name} | failed: {type(error).__name__}: {reason} | | | | | {goal} |"
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return (
        f"| {name} | {found.figure:.4g} | {found.unit} | {found.limit:.4g} | {found.bound} |"
        f" {100 * found.share():.2g} % | {goal} |"
    )


def main(
    device: Literal["cuda", "cpu"] = "cuda" if torch.cuda.is_available() else "cpu",
    small: bool = False,
    minutes: float = 8,
) -> None:
    """Print the table.

    Args:
        device: on which everything runs but the loading.
        small: tiny sizes and single calls, whose times say nothing.
        minutes: rows that would begin later are left out.
    """
    start = time.monotonic()
    sizes = SMALL if small else LARGE
    bench = Bench(measured(device, side=sizes.product_side, copied=sizes.copied, repeats=sizes.repeats), sizes)
    print(f"{machine_in_words(device)}. {bench.limits}\n")
    print("| row | figure | unit | limit | given by | of the limit | goal |")
    print("|---|--:|---|--:|---|--:|--:|", flush=True)
    for name, goal, measure in lines(bench):
        if time.monotonic() - start > 60 * minutes:
            print(f"| {name} | left out: {minutes:g} minutes are over | | | | | {goal} |", flush=True)
        else:
            print(row_of(name, goal, measure), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
