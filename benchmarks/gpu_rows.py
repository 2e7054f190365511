"""What a row of the table of gpu.py is: its sizes, its figure beside its limit, and how it is timed."""

from collections.abc import Callable
from dataclasses import dataclass

from limits import Limits
from timing import median_seconds

CLASSES = 21


@dataclass(frozen=True)
class Sizes:
    """What is timed: sides in px or cells, numbers of images, calls that are timed."""

    repeats: int
    product_side: int
    copied: int
    crf_px: int
    crf_images: int
    max_cells: int
    sec_cells: int
    sec_images: int
    photograph: tuple[int, int]
    walks: tuple[tuple[int, int], ...]
    crop_px: int
    batch_size: int
    affinity_images: int
    scales: tuple[float, ...]
    resize_px: tuple[int, int]
    rounds: int
    together: int
    backbones: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A figure and its limit, the larger one the better where `unit` is a rate."""

    figure: float
    unit: str
    limit: float
    bound: str

    @classmethod
    def rate(cls, images: int, seconds: float, least: tuple[float, str]) -> "Found":
        return cls(images / seconds, "images/s", images / least[0], least[1])

    @classmethod
    def time(cls, seconds: float, least: tuple[float, str]) -> "Found":
        return cls(1000 * seconds, "ms", 1000 * least[0], least[1])

    def share(self) -> float:
        """Of the limit that is reached."""
        return self.limit / self.figure if self.unit == "ms" else self.figure / self.limit


@dataclass(frozen=True)
class Bench:
    """Where rows are measured."""

    limits: Limits
    sizes: Sizes

    @property
    def device(self) -> str:
        return self.limits.device

    def seconds(self, run: Callable[[], object]) -> float:
        return median_seconds(run, self.sizes.repeats, untimed=2 if self.device == "cuda" else 1)


Measure = Callable[[], Found]
Line = tuple[str, str, Measure]
"""Name of a row, its goal in words, what measures it."""
