"""Settings that several tests begin with; variants are made of them by `replace`."""

from dataclasses import replace

from wsss.labels import Classes
from wsss.options import crf as crf_options
from wsss.options.flat import recorded
from wsss.options.lcrf import Bound, Prior
from wsss.options.network import Features
from wsss.options.sec import SecLosses
from wsss.options.training import Schedule

CLASSES = Classes.of({"cat": 8, "dog": 12})
FEATURES = Features("timm/test_efficientnet", stride=8, weights="none", freeze=False)
"""The smallest backbone."""

PSA = replace(crf_options.PSA, engine="exact")
"""The CRF that refines PSA's label maps."""

SEC = replace(PSA, smoothness_px=3 / 12, appearance_px=80 / 12)
"""The CRF of SEC's loss, whose pixels are cells of 12 pixels."""

FEATURE_CRF = crf_options.FeatureCrf(steps=10, weight=20, cells=10, rgb=40, features=0.4)
"""The CRF of SEC's loss by features."""

SAID = recorded(feature_crf=crf_options.NO_FEATURE_CRF)
"""What a store of scores or masks says of a CRF by features that there is not."""

MILD = replace(
    PSA,
    engine="cells",
    steps=4,
    smoothness_weight=0.7,
    smoothness_px=1.5,
    appearance_weight=1.3,
    appearance_px=6,
    appearance_rgb=60,
)
"""A CRF whose marginals stay between 0 and 1, so that they show every difference."""

SGD = Schedule(
    epochs=3,
    batch_size=3,
    optimizer="sgd",
    learning_rate=0.05,
    lr_drops=0,
    new_layers_factor=2,
    power=0.9,
    momentum=0.9,
    weight_decay=0.01,
    precision="32-true",
    seed=4,
)
ADAMW = replace(SGD, batch_size=4, optimizer="adamw", learning_rate=0.003, new_layers_factor=1, seed=0)

SEC_LOSSES = SecLosses(
    floor=1e-4,
    seed_weight=1,
    expand_weight=1,
    constrain_weight=1,
    constrain_by="colours",
    constrain_gradient=True,
    pool_by="share",
    pool_present=0.1,
    pool_absent=0,
    pool_background=0.3,
)

BOUND = Bound(
    update="bound",
    likelihood="local_evidence",
    likelihood_weight=1,
    entropy_weight=1,
    prior_weight=1,
    prior_ramp=0.5,
    sample=False,
    temperature_start=1,
    temperature_end=0.5,
    by_tags=False,
    alpha=8,
    absent=0.001,
    evidence_from="classifier",
    evidence_scale=1.0,
    least_share=0.1,
    eps=0.01,
    background=True,
    pool_present=0.1,
    pool_absent=0,
    pool_background=0.3,
)
PRIOR = Prior(
    smoothness_weight=3,
    smoothness_cells=0.25,
    appearance_weight=10,
    appearance_cells=2,
    appearance_rgb=13,
    appearance_features=0,
)
