"""The training images labelled by a segmenter, for a second round."""

from dataclasses import replace

import numpy as np
import pytest
import settings
import torch
from settings import CLASSES

from wsss.crf.potentials import potentials_of
from wsss.datasets import manifest
from wsss.networks import file
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options.crf import NO_FEATURE_CRF
from wsss.results import fitted_crf
from wsss.runtime.errors import WsssError
from wsss.stages.relabels import relabels
from wsss.stages.scores import scores
from wsss.stores import store

NO_FEATURES = {"feature_crf": NO_FEATURE_CRF}
CRF = replace(settings.SEC, appearance_px=8, appearance_rgb=20)


def save_network(path, *, warped_px=0, bias=0.0):
    """A segmenter of random weights that holds every pixel for a dog, by a bias of this many logits."""
    torch.manual_seed(0)
    network = Segmenter.build(settings.FEATURES, classes=3, dilation=1, decoder=False)
    last = [layer for layer in network.new_layers().modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    torch.nn.init.normal_(last.weight, std=0.5)
    torch.nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[2] = bias
    file.save(path, network, About(CLASSES, "tags", warped_px=warped_px))
    return path


def relabelled(folder, *, crf, name="relabels.h5", shard="1-of-1", **about):
    network = save_network(folder / "segmenter.safetensors", **about)
    options = {"images": folder / "images.csv", "segmenter": network, "fitted": [], "scales": (1.0,)}
    options |= {"classifier": [], **NO_FEATURES}
    relabels(**options, shard=shard, relabels=folder / name, crf=crf)
    return folder / name


def test_only_the_classes_of_the_tags_are_given(seeded):
    path = relabelled(seeded, crf=CRF, bias=20.0)
    with store.read(path, "pseudo_masks") as source:
        for row in manifest.read(seeded / "images.csv"):
            present = {0, CLASSES.names.index(row.tags[0])}
            for labels in (source[row.id]["plain"], source[row.id]["refined"]):
                assert labels.shape == (24, 40) and set(np.unique(labels)) <= present
                assert (labels == 2).all() == ("dog" in row.tags)


@pytest.mark.parametrize("warped_px", [0, 32])
def test_labels_are_the_likeliest_of_the_tags(seeded, warped_px):
    """The scores of the stage scores, cut to the tags, on images of the grid's own size."""
    path = relabelled(seeded, crf=replace(CRF, engine="none"), warped_px=warped_px)
    probabilities = seeded / "scores.h5"
    of_split = {"images": seeded / "images.csv", "segmenter": seeded / "segmenter.safetensors", "split": "train"}
    plain = {"scales": (1.0,), "classifier": [], "image_prior": 0.0, **NO_FEATURES}
    scores(**of_split, **plain, shard="1-of-1", scores=probabilities)
    from wsss.results.refinement import scored

    with store.read(path, "pseudo_masks") as found, store.read(probabilities, "scores") as source:
        for row in manifest.read(seeded / "images.csv"):
            assert set(found[row.id]) == {"plain"}
            present = [0, CLASSES.names.index(row.tags[0])]
            maps = scored(row, source).at_pixels().numpy()[present]
            sure = np.abs(maps[0] - maps[1]) > 1e-3
            expected = np.array(present)[maps.argmax(0)]
            assert sure.mean() > 0.5
            np.testing.assert_array_equal(found[row.id]["plain"][sure], expected[sure])


def test_a_fitted_matrix_of_all_classes_is_cut_to_the_tags(seeded):
    """The penalties of the classes of the tags alone decide, as in a CRF of all classes where the others are away."""
    matrix = torch.tensor([[0.0, 3, 1], [3, 0, 2], [1, 2, 0]])[:, :, None, None]
    start = replace(CRF, engine="cells", max_cells=1000)
    potentials = replace(potentials_of(start, like=torch.zeros(())), compatibility=matrix)
    about = {"images": 2, "split": "train", "masks": "pseudo"}
    fitted_crf.write(seeded / "psa_crf.json", start, potentials, classes=CLASSES, about=about)
    network = save_network(seeded / "segmenter.safetensors")
    options = {"images": seeded / "images.csv", "segmenter": network, "scales": (1.0,), "shard": "1-of-1", "crf": CRF}
    relabels(**options, **NO_FEATURES, classifier=[], fitted=[seeded / "psa_crf.json"], relabels=seeded / "relabels.h5")
    with store.read(seeded / "relabels.h5", "pseudo_masks") as source:
        assert all(set(np.unique(source[str(i)]["refined"])) <= {0, 1 + i % 2} for i in range(4))
    cut = potentials.of(np.array([0, 2], np.uint8))
    assert cut.compatibility[:, :, 0, 0].tolist() == [[0, 1], [1, 0]]
    assert cut.appearance_weight == potentials.appearance_weight


def test_shards_change_nothing(seeded):
    whole = relabelled(seeded, crf=CRF)
    parts = [relabelled(seeded, crf=CRF, name=f"{part}.h5", shard=f"{part}-of-2") for part in (1, 2)]
    with store.read(whole, "pseudo_masks") as one:
        seen = []
        for part in parts:
            with store.read(part, "pseudo_masks") as source:
                for image_id in source:
                    seen.append(image_id)
                    for name, labels in source[image_id].items():
                        np.testing.assert_array_equal(labels, one[image_id][name])
        assert sorted(seen) == sorted(one)


def test_a_prior_without_its_classifier_is_refused(seeded):
    network = save_network(seeded / "segmenter.safetensors")
    of_split = {"images": seeded / "images.csv", "segmenter": network, "split": "train", "shard": "1-of-1"}
    with pytest.raises(WsssError, match="image_prior is 0.5, but there is no classifier: give its file, or 0"):
        scores(**of_split, scores=seeded / "scores.h5", scales=(1.0,), classifier=[], image_prior=0.5, **NO_FEATURES)
    assert not (seeded / "scores.h5").exists()
