"""Stages that send photographs through a network: the same results alone and together, the same bits in any shards.

On the CPU three are made to go together; on a GPU as many do as the machine allows.
"""

from dataclasses import replace

import numpy as np
import pytest
import settings
import torch
from PIL import Image
from settings import CLASSES
from torch._subclasses.fake_tensor import FakeTensorMode

from wsss.datasets import batches, manifest, pictures
from wsss.maths import cam, correlation, cues, grid
from wsss.maths.photographs import at_cells, to_tensor
from wsss.networks import file
from wsss.networks.affinity_net import AffinityNet
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options.cams import Spread
from wsss.options.crf import NO_FEATURE_CRF
from wsss.psa import affinity, random_walk
from wsss.results.probabilities import maps_of
from wsss.runtime import machine
from wsss.stages.cams import cams
from wsss.stages.pseudo_masks import pseudo_masks
from wsss.stages.relabels import relabels
from wsss.stages.scores import scores
from wsss.stores import store

SIZES = [(24, 40), (40, 24), (24, 40), (24, 40), (30, 33), (40, 24), (24, 40)] * 2
SCALES = (0.5, 1.0, 1.5)
NO_CRF = replace(settings.PSA, engine="none")
HALF = 1e-3
"""What a rounding makes of a value below 1 that is kept in half precision."""

on_the_card = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
)
everywhere = pytest.mark.parametrize("device", ["cpu", on_the_card], indirect=True)


@pytest.fixture
def device(request, monkeypatch):
    """Where everything runs; on the CPU three photographs go together."""
    if request.param == "cpu":
        monkeypatch.setattr(machine, "device", lambda: "cpu")
        monkeypatch.setattr(machine, "batch_size", lambda pixels=1: 3)
    return request.param


@pytest.fixture
def alone(monkeypatch):
    """A function after whose call each photograph goes alone."""
    return lambda: monkeypatch.setattr(machine, "batch_size", lambda pixels=1: 1)


def network_of(builder, **shape):
    torch.manual_seed(0)
    network = builder.build(settings.FEATURES, **shape)
    for layer in network.new_layers().modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=1)
    return network


CLASSIFIER = {"classes": 3}
SEGMENTER = {"classes": 3, "dilation": 1, "decoder": False}
AFFINITY_NET = {"grid_stride": 4}


@pytest.fixture
def run(tmp_path):
    """A folder of photographs in noise of several sizes, and networks of random weights."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (height, width) in enumerate(SIZES):
        noise = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        noise.resize((width, height)).save(tmp_path / f"{number}.png")
        tags = [("dog",), ("cat", "dog")][number % 2]
        rows.append(manifest.Row(f"{number:02}", "train", tmp_path / f"{number}.png", None, tags, "test"))
    manifest.write(tmp_path / "images.csv", rows)
    file.save(tmp_path / "classifier.safetensors", network_of(Classifier, **CLASSIFIER), About(CLASSES, "tags"))
    for warped_px in (0, 32):
        about = About(CLASSES, "tags", warped_px=warped_px)
        file.save(tmp_path / f"segmenter_{warped_px}.pt", network_of(Segmenter, **SEGMENTER), about)
    about = About(CLASSES, "tags", settings={"radius": 5})
    file.save(tmp_path / "affinity_net.safetensors", network_of(AffinityNet, **AFFINITY_NET), about)
    return tmp_path


def write(name, run, shard="1-of-1"):
    """The store that a stage writes."""
    path = run / f"{name}_{shard}.h5"
    of = {"images": run / "images.csv", "shard": shard}
    warped_px = 32 if name.endswith("warped") else 0
    by_segmenter = of | {"segmenter": run / f"segmenter_{warped_px}.pt", "scales": SCALES}
    if name.startswith("cams"):
        spread = Spread(steps=2 if name.endswith("spread") else 0, features=0.4, rgb=40)
        of |= {"classifier": run / "classifier.safetensors", "spread": spread}
        cams(**of, cams=path, scales=SCALES, gamma=1, stride=4)
    elif name.startswith("scores"):
        scores(**by_segmenter, split="train", scores=path, classifier=[], image_prior=0.0, feature_crf=NO_FEATURE_CRF)
    elif name.startswith("relabels"):
        relabels(**by_segmenter, classifier=[], fitted=[], relabels=path, crf=NO_CRF, feature_crf=NO_FEATURE_CRF)
    else:
        walk = {"alpha": 4, "beta": 8, "steps": 16, "border_score": 4, "rescale_power": 1}
        affinity_net = run / "affinity_net.safetensors"
        pseudo_masks(
            **of, cams=run / "cams_1-of-1.h5", affinity_net=affinity_net, pseudo_masks=path, **walk, crf=NO_CRF
        )
    return path


KINDS = {
    "cams": "cams",
    "cams_spread": "cams",
    "scores": "scores",
    "scores_warped": "scores",
    "relabels": "pseudo_masks",
    "relabels_warped": "pseudo_masks",
    "pseudo_masks": "pseudo_masks",
}


def arrays(path, name):
    with store.read(path, KINDS[name]) as source:
        return {(image, part): array for image in source for part, array in source[image].items()}


@everywhere
@pytest.mark.parametrize("name", KINDS)
def test_a_store_is_the_same_whether_photographs_go_alone_or_together(run, device, alone, name, monkeypatch):
    write("cams", run)  # which pseudo_masks reads
    seen, padded = [], grid.padded
    monkeypatch.setattr(
        grid, "padded", lambda images, *more, **options: seen.append(images) or padded(images, *more, **options)
    )
    together = arrays(write(name, run), name)
    assert max(map(len, seen)) >= 3
    alone()
    seen.clear()
    single = arrays(write(name, run), name)
    assert max(map(len, seen)) <= 2  # with its mirror image
    assert list(together) == list(single) and len({image for image, _ in single}) == len(SIZES)
    for key, array in single.items():
        assert array.dtype == together[key].dtype
        if array.dtype == np.float16:
            np.testing.assert_allclose(together[key].astype(float), array.astype(float), rtol=0, atol=HALF)
        else:
            assert (together[key] == array).mean() > 0.99
    assert all(len({array.tobytes() for (_, part), array in single.items() if part == name}) > 1 for _, name in single)


def test_maps_spread_among_the_cells_of_the_stored_grid(run, alone):
    """As `correlation.spread` of the maps without spreading, by features and colours at the same cells."""
    alone()
    plain, found = (store.read(write(name, run), "cams") for name in ("cams", "cams_spread"))
    network = file.load(run / "classifier.safetensors", Classifier)[0]
    with plain as plain, found as found, torch.no_grad():
        for row in manifest.read(run / "images.csv"):
            whole = grid.padded(to_tensor(pictures.photograph_of(row)[None]), 4, fill=network.backbone.mean)
            size = plain[row.id]["cam"].shape[1:]
            of = network.features_at(whole, size), at_cells(whole, size)
            maps = torch.from_numpy(plain[row.id]["cam"]).float()[None]
            expected = cam.normalised(correlation.spread(maps, *of, steps=2, deviation=0.4, rgb=40))
            stored = torch.from_numpy(found[row.id]["cam"]).float()[None]
            torch.testing.assert_close(stored, expected, rtol=0, atol=2e-3)
            assert not torch.allclose(stored, maps, atol=0.05) or not maps.any()
        assert found.attributes["setting.spread.steps"] == "2" and found.attributes["setting.spread.rgb"] == "40"


@everywhere
@pytest.mark.parametrize("name", KINDS)
def test_shards_give_the_same_bits(run, device, name):
    write("cams", run)
    whole = write(name, run)
    parts = [write(name, run, f"{number}-of-3") for number in (1, 2, 3)]
    store.gather(parts, run / "joined.h5")
    assert store.digest(run / "joined.h5") == store.digest(whole)


def results(run, function, shard="1-of-1", **options):
    rows = manifest.read(run / "images.csv")
    return [result.cpu() for _, _, result in batches.of_each(function, rows, shard, scales=SCALES, **options)]


def probabilities_by(path, device):
    """A function from photographs to the probabilities by a segmenter, in single precision."""
    network, _ = file.load(path, Segmenter)
    network.to(device)
    about = {"network_stride": network.backbone.stride, "stride": network.stride, "fill": network.backbone.mean}

    @torch.inference_mode()
    def probabilities(photographs):
        given = to_tensor(photographs, device)
        return cam.multi_scale(lambda copies: network(copies).softmax(1), given, scales=SCALES, **about)

    return probabilities


@everywhere
@pytest.mark.parametrize("warped_px", [0, 32])
def test_probabilities_differ_by_1e_6_at_most(run, device, alone, warped_px):
    probabilities = probabilities_by(run / f"segmenter_{warped_px}.pt", device)
    together = results(run, probabilities, warped_px=warped_px)
    alone()
    single = results(run, probabilities, warped_px=warped_px)
    torch.testing.assert_close(together, single, rtol=0, atol=1e-6)
    assert single[0].std() > 0.01


@everywhere
def test_shards_give_the_same_bits_before_they_are_rounded_to_half_precision(run, device):
    probabilities = probabilities_by(run / "segmenter_0.pt", device)
    whole = results(run, probabilities)
    parts = [result for number in (1, 2, 3) for result in results(run, probabilities, f"{number}-of-3")]
    assert all(torch.equal(*both) for both in zip(whole, parts, strict=True))


@everywhere
def test_affinities_differ_by_1e_6_at_most(run, device, alone):
    network, _ = file.load(run / "affinity_net.safetensors", AffinityNet)
    network.to(device)

    @torch.inference_mode()
    def affinities(photographs):
        return affinity.affinities(network(to_tensor(photographs, device)), radius=5)

    together = results(run, affinities)
    alone()
    single = results(run, affinities)
    torch.testing.assert_close(together, single, rtol=0, atol=1e-6)
    assert single[0].std() > 0.01


@pytest.mark.usefixtures("on_the_cpu")
def test_a_photograph_alone_has_the_probabilities_of_the_store(run):
    """As `wsss.load` and `wsss predict` compute them."""
    network, _ = file.load(run / "segmenter_32.pt", Segmenter)
    maps = maps_of(network, scales=SCALES)
    stored = arrays(write("scores_warped", run), "scores_warped")
    for row in manifest.read(run / "images.csv"):
        (found,) = maps(pictures.as_given(pictures.photograph_of(row), 32)[None])
        np.testing.assert_array_equal(found.numpy(), stored[row.id, "scores"])


def test_what_runs_on_a_gpu_stays_there():
    """By tensors without values, which need no GPU: an operation between two devices is refused."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.device("cuda"):
        classifier = network_of(Classifier, **CLASSIFIER).eval()
        affinity_net = network_of(AffinityNet, **AFFINITY_NET).eval()
    about = {"network_stride": classifier.backbone.stride, "stride": 4, "fill": classifier.backbone.mean}
    with mode, torch.no_grad():
        images = torch.empty(3, 3, 30, 41, device="cuda")
        maps = cam.multi_scale(classifier.maps, images, scales=SCALES, **about)
        affinities = affinity.affinities(affinity_net(images), radius=5)
        (seen,) = grid.to_pixels(cam.normalised(maps[0])[None], (30, 41), stride=4)
        scores = grid.pooled(cues.with_background(seen, alpha=4), stride=4)
        walked = random_walk.walk(scores, affinities[0], radius=5, beta=8, steps=16)
        with pytest.raises(RuntimeError, match="device"):
            images + torch.zeros(3, 3, 30, 41)
    assert {tensor.device.type for tensor in (maps, affinities, walked)} == {"cuda"}
    assert maps.shape == (3, 2, 8, 11) and walked.shape == (3, 8, 11)


def test_pseudo_masks_record_the_steps_of_the_walk_and_of_the_crf(run):
    write("cams", run)
    with store.read(write("pseudo_masks", run), "pseudo_masks") as source:
        steps = [int(source.attributes[f"setting.{name}"]) for name in ("walk_steps", "steps")]
    assert steps == [16, NO_CRF.steps]
