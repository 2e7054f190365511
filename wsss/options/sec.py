"""The options of SEC's losses."""

from dataclasses import dataclass
from typing import Literal

from wsss.runtime.errors import refuse

POOLS = ("pool_present", "pool_absent", "pool_background")


@dataclass(frozen=True)
class SecLosses:
    """SEC's three losses.

    Args:
        floor: smallest probability, of the network and of the CRF.
        seed_weight: weight of the seeding loss; 0 leaves it out.
        expand_weight: weight of the expansion loss, of pooled probabilities.
        constrain_weight: weight of the constrain-to-boundary loss, against the CRF.
        constrain_by: what the CRF of that loss goes by: the cells' colours, as in SEC, or a frozen classifier's
            features, too.
        constrain_gradient: whether a gradient passes through the CRF, as the paper has it; the authors' code has none.
        pool_by: whether the three numbers below are shares of the cells, which carry half of the weight and mean the
            same on any grid, or decays d, as the paper gives them for 41 x 41 cells.
        pool_present: pooling of the classes in the tags (share 0 is the maximum, 0.5 the mean; decay 0 and 1).
        pool_absent: pooling of the other classes.
        pool_background: pooling of the background.
    """

    floor: float
    seed_weight: float
    expand_weight: float
    constrain_weight: float
    constrain_by: Literal["colours", "features"]
    constrain_gradient: bool
    pool_by: Literal["share", "decay"]
    pool_present: float
    pool_absent: float
    pool_background: float

    def __post_init__(self) -> None:
        if not (self.seed_weight or self.expand_weight or self.constrain_weight):
            refuse(["seed_weight, expand_weight and constrain_weight are all 0"], "losses that cannot be used")
        # a decay of 0.5 or less is all but the maximum on any grid: it is a share that was left from pool_by: share
        shares = [name for name in POOLS if self.pool_by == "decay" and 0 < getattr(self, name) <= 0.5]
        problems = [f"{name} is {getattr(self, name)}, which is a share and no decay" for name in shares]
        refuse(problems, "decays that cannot be meant (pool_by is decay; SEC has 0.996, 0 and 0.999)")
