"""What the sections of a configuration must have in common."""

import pytest
from projects import ROOT

from wsss.options import configuration, consistency, training
from wsss.runtime.errors import WsssError

DEFAULTS = configuration.read(ROOT / "config.yaml")

WEIGHTS = ("seed_weight", "expand_weight", "constrain_weight")
UNDIVIDED = {"update": "mean_field", "entropy_weight": 0}
NO_AREA = {"likelihood": "masked_cam", "least_share": 0, "eps": 0}


def with_changes(**sections) -> dict:
    return {
        name: {**value, **sections[name]} if isinstance(sections.get(name), dict) else sections.get(name, value)
        for name, value in DEFAULTS.items()
    }


def test_a_package_that_is_lacking_is_named(monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(WsssError, match="^config: tensorboard: true needs .*: pip install tensorboard, or set it to"):
        consistency.check(with_changes(tensorboard=True))
    consistency.check(with_changes(tensorboard=False))


def test_the_defaults_are_consistent():
    consistency.check(with_changes())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": {"classes": ["--threads=2"]}}, "images: classes: '--threads=2' begins with '-'"),
        ({"images": {"root": "--log=FILE"}}, "images: root: '--log=FILE' begins with '-'"),
        ({"sec_seeds": "-x.h5"}, "sec_seeds: '-x.h5' begins with '-'"),
        (
            {"psa_ablation": {"psa_x": {"weights": "--log=x"}}},
            "psa_x: weights: '--log=x' begins with '-'",
        ),
        ({"psa_ablation": {"psa_x": {"pseudo_masks_store": "results/psa_x_relabels.h5"}}}, "leads back to psa_x"),
        (
            {"sec_ablation": {"sec_second_round": {"balance": 1}}},
            "config: sec_ablation: sec_second_round: names that end in _second_round are those of PSA's segmenter",
        ),
        ({"masks_of": {"psi": {"crf.steps": 1}}}, "masks_of: there is no method psi: give one of psa, sec, lcrf"),
        ({"scores_of": {"psi": {"scales": [2]}}}, "scores_of: there is no method psi: give one of psa, sec, lcrf"),
        ({"fit_crf": True, "masks": {"crf.engine": "exact"}}, "set masks: crf.engine to one that can be trained"),
        (
            {"fit_crf": True, "masks_of": {"sec": {"crf.engine": "none"}}},
            "set masks_of: sec: crf.engine to one that can be trained",
        ),
        ({"fit_crf": True}, "set images: crf_fit_images to 2 or more"),
        # what the stage would refuse as it begins, after hours perhaps
        ({"masks": {"crf.unary_weight": 2}}, "config: masks: CRF settings that cannot be used"),
        ({"masks_of": {"sec": {"crf.unary_weight": 2}}}, "config: masks_of: sec: CRF settings that cannot be used"),
        ({"classifier": {"resize_px": [20, 10]}}, "config: classifier: images cannot be augmented"),
        (
            {"psa_ablation": {"psa_x": {"resize_px": [20, 10]}}},
            "config: psa_ablation: psa_x: images cannot be augmented",
        ),
        ({"sec_segmenter": dict.fromkeys(WEIGHTS, 0)}, "config: sec_segmenter: losses that cannot be used"),
        (
            {"sec_segmenter": {"pool_by": "decay"}},
            "config: sec_segmenter: decays that cannot be meant (pool_by is decay; SEC has 0.996,",
        ),
        ({"lcrf_ablation": {"lcrf_x": NO_AREA}}, "config: lcrf_ablation: lcrf_x: a bound without a score"),
        (
            {"lcrf_segmenter": {"crop_share": 0.5, "likelihood": "pooling"}},
            "config: lcrf_segmenter: windows without tags of their own (1 found): crop_share is 0.5, and likelihood",
        ),
        ({"lcrf_segmenter": UNDIVIDED}, "config: lcrf_segmenter: an update that has no value"),
        ({"affinity_labels": {"alpha_low": 24.5}}, "affinity_labels: alpha_low is above alpha_high: exchange them"),
        ({"affinity_net": {"crop_px": 126}}, "config: affinity_net: crop_px is 126: give a multiple of 4"),
        ({"affinity_net": {"crop_px": 4}}, "config: affinity_net: crop_px is 4: give a multiple of 4"),
        ({"lcrf_segmenter": {"input_px": 100}}, "config: lcrf_segmenter: input_px is 100: give a multiple of 8"),
        ({"sec_segmenter": {"input_px": 64}}, "config: sec_segmenter: input_px is not seeds: cells times its stride"),
        ({"sec_ablation": {"sec_x": {"input_px": 64}}}, "config: sec_ablation: sec_x: input_px is not seeds: cells"),
        (
            {"lcrf_segmenter": {"input_px": 64, "warm_share": 0.1}},
            "config: lcrf_segmenter: input_px is not seeds: cells",
        ),
        ({"images": {"root": "a\0b"}}, "images: root: 'a\\x00b' has characters that no name of a file can have"),
        ({"images": {"root": "a\ud800"}}, "images: root: 'a\\ud800' has characters that no name of a file can have"),
    ],
)
def test_contradictions_are_one_line(changes, words):
    with pytest.raises(WsssError) as caught:
        consistency.check(with_changes(**changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_latent_crf_without_seeds_and_a_decoder_have_grids_of_their_own():
    consistency.check(with_changes(lcrf_segmenter={"input_px": 64}))
    consistency.check(with_changes(sec_segmenter={"input_px": 64, "decoder": True}))
    consistency.check(with_changes(sec_segmenter={"input_px": 64}, sec_seeds="imported.h5"))


def test_a_second_round_of_earlier_configurations_is_one():
    rounds = {"psa_second_round": {"pseudo_masks_store": "results/psa_relabels.h5"}}
    consistency.check(with_changes(psa_ablation=rounds))


def test_decays_as_the_paper_has_them_and_extreme_ones():
    decays = {"pool_by": "decay", "pool_present": 0.996, "pool_absent": 0, "pool_background": 1}
    consistency.check(with_changes(sec_segmenter=decays))


def test_windows_need_no_other_change_of_the_defaults():
    consistency.check(with_changes(lcrf_segmenter={"crop_share": 0.5}, sec_segmenter={"crop_share": 0.5}))


def test_a_third_round_learns_from_the_second_and_not_from_itself():
    rounds = {
        "psa_b": {"pseudo_masks_store": "results/psa_a_relabels.h5"},
        "psa_c": {"pseudo_masks_store": "results/psa_b_relabels.h5"},
    }
    of_psa = {"psa_a": {"pseudo_masks_store": "results/psa_relabels.h5"}}
    consistency.check(with_changes(psa_ablation=of_psa | rounds))
    of_c = {"psa_a": {"pseudo_masks_store": "results/psa_c_relabels.h5"}}
    with pytest.raises(WsssError, match="psa_ablation: psa_a: pseudo_masks_store leads back to psa_a"):
        consistency.check(with_changes(psa_ablation=of_c | rounds))
    of_its_own = {"psa_a": {"pseudo_masks_store": "results/psa_a_second_round_relabels.h5"}}
    with pytest.raises(WsssError, match="psa_ablation: psa_a: pseudo_masks_store leads back to psa_a"):
        consistency.check(with_changes(psa_ablation=of_its_own))
