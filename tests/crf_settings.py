"""Settings of a CRF that the tests of engine conv begin with: mild ones, so that marginals stay between 0 and 1."""

from wsss.options import Crf

MILD = Crf(
    engine="conv",
    steps=4,
    smoothness_weight=0.7,
    smoothness_px=1.5,
    appearance_weight=1.3,
    appearance_px=6,
    appearance_rgb=60,
    normalisation="symmetric",
    cells=1200,
    window_px=0,
    window="square",
)
