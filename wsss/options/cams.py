"""The options of class activation maps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """How maps spread among cells that look alike to the classifier.

    Args:
        steps: in each a cell takes the mean of all cells, weighed by how much they look like it; 0: none.
        features: standard deviation of the weights in the classifier's features, vectors of length 1.
        rgb: standard deviation of the weights in colour, in levels of 0 to 255.
    """

    steps: int
    features: float
    rgb: float
