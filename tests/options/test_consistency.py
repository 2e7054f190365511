"""What the sections of a configuration must have in common."""

import pytest
from projects import ROOT

from wsss.options import configuration, consistency, training
from wsss.runtime.errors import WsssError

DEFAULTS = configuration.read(ROOT / "config.yaml")


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
        ({"masks_of": {"psi": {"crf.steps": 1}}}, "masks_of: there is no method psi: give one of psa, sec, lcrf"),
        ({"fit_crf": True, "masks": {"crf.engine": "exact"}}, "set masks: crf.engine to one that can be trained"),
        ({"fit_crf": True}, "set images: crf_fit_images to 2 or more"),
    ],
)
def test_contradictions_are_one_line(changes, words):
    with pytest.raises(WsssError) as caught:
        consistency.check(with_changes(**changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


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
