import copy
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from settings import CLASSES, FEATURES
from torch import Tensor, nn

from wsss.networks import backbones, file
from wsss.networks import network as networks
from wsss.networks.affinity_net import AffinityNet
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.networks.network import Network
from wsss.networks.segmenter import Segmenter
from wsss.runtime import tensors
from wsss.runtime.errors import WsssError

OTHER = "timm/test_resnet"
NETWORKS = {"classifier": Classifier, "affinity_net": AffinityNet, "segmenter": Segmenter}
SHAPES = {"classifier": {"classes": 3}, "affinity_net": {"grid_stride": 4}, "segmenter": {"classes": 3, "dilation": 2}}
KINDS = list(SHAPES)
SETTINGS = {"epochs": 3, "flip": True}
ABOUT = About(CLASSES, "tags and cues", warped_px=40, settings=SETTINGS, inputs={"images.csv": "0a"}, code="1b")


class Payload:
    """Makes the folder `path` as soon as its pickle is loaded by Python's own means."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def build(kind: str, *, seed: int = 0, shape: dict | None = None, **changes) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[kind].build(replace(FEATURES, **changes), **(SHAPES[kind] | (shape or {})))


def images(height: int = 40, width: int = 48, *, batch: int = 2) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def save(path: Path, kind: str, *, seed: int = 0, **changes) -> Network:
    network = build(kind, seed=seed, **changes)
    file.save(path, network, ABOUT)
    return network


def refusal(call, *arguments, **options) -> str:
    """The text of the error, which is one line."""
    with pytest.raises(WsssError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def norms(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def early_names(network: Network) -> set[str]:
    early = {id(p) for module in network.backbone.early for p in module.parameters()}
    return {name for name, p in network.named_parameters() if id(p) in early}


def norm_names(network: Network) -> set[str]:
    found = {id(value) for module in norms(network) for value in (*module.parameters(), *module.buffers())}
    named = (*network.named_parameters(), *network.named_buffers())
    return {name for name, value in named if id(value) in found}


def after_a_step(network: Network) -> set[str]:
    """Names of the parameters and buffers that one step of training changes."""
    network.train()
    before = copy.deepcopy(network.state_dict())
    groups = network.parameter_groups(new_layers_factor=10, weight_decay=0.1)
    optimizer = torch.optim.SGD(groups, lr=0.01)
    network(images()).square().mean().backward()
    optimizer.step()
    assert all(value.isfinite().all() for value in network.state_dict().values())
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(("height", "width", "rows", "columns"), [(64, 48, 8, 6), (50, 33, 7, 5)])
def test_shapes(height, width, rows, columns):
    pictures = images(height, width)
    assert build("classifier").eval()(pictures).shape == (2, 2)
    assert build("classifier").eval().maps(pictures).shape == (2, 2, rows, columns)
    assert build("segmenter").eval()(pictures).shape == (2, 3, rows, columns)
    grid = -(-height // 4), -(-width // 4)
    assert build("affinity_net").eval()(pictures).shape == (2, 448, *grid)
    assert build("affinity_net", shape={"grid_stride": 8}).eval()(pictures).shape == (2, 448, rows, columns)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(40, 48), (33, 50), (41, 47), (7, 9)])
def test_a_cell_shows_its_own_pixels_whatever_the_size(kind, size):
    """Cells of an image equal those of the image filled up to whole cells: none of them is shifted or stretched."""
    network = build(kind, freeze=True).eval()
    run = network.maps if kind == "classifier" else network
    stride = 4 if kind == "affinity_net" else 8
    image = images(*size)
    whole = network.backbone._mean.expand(2, 3, 48, 56).clone()
    whole[:, :, : size[0], : size[1]] = image
    found = run(image)
    assert found.shape[-2:] == (-(-size[0] // stride), -(-size[1] // stride))
    rows, columns = -(-size[0] // 8) * 8, -(-size[1] // 8) * 8
    expected = run(whole[:, :, :rows, :columns])[..., : found.shape[-2], : found.shape[-1]]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("grid_stride", [4, 8, 16])
def test_branches_mixed_apart_are_branches_joined_and_mixed(grid_stride):
    """Affinity features by the definition: the branches on one grid, joined, mixed by one linear map."""
    network = build("affinity_net", shape={"grid_stride": grid_stride}, backbone="timm/resnet18", stride=16).eval()
    taps = network.backbone(images(64, 48))
    assert len({tap.shape[-2:] for tap in taps}) == 2
    size = (64 // grid_stride, 48 // grid_stride)
    branches = [nn.functional.elu(reduce(tap)) for reduce, tap in zip(network.reduce, taps, strict=True)]
    joined = [nn.functional.interpolate(b, size, mode="bilinear", align_corners=False) for b in branches]
    expected = nn.functional.elu(network.mix(torch.cat(joined, dim=1)))
    torch.testing.assert_close(network(images(64, 48)), expected, atol=1e-5, rtol=1e-4)


def test_a_score_is_the_mean_of_its_map():
    network = build("classifier").eval()
    pictures = images()
    maps = network.head(network.backbone(pictures)[-1])
    assert (maps < 0).any()
    torch.testing.assert_close(network(pictures), maps.mean((-2, -1)))
    torch.testing.assert_close(network.maps(pictures), maps.clamp(min=0))


def test_the_linear_map_by_hand():
    network = build("classifier").eval()
    features = network.backbone(images())[-1]
    weight = network.head.weight[:, :, 0, 0]
    expected = torch.stack([features[i].mean((-2, -1)) @ weight.T for i in range(2)])
    torch.testing.assert_close(network(images()), expected)


def test_a_decoder_has_the_grid_of_the_first_tap():
    network = build("segmenter", shape={"decoder": True}, backbone="timm/resnet18", stride=16).eval()
    assert network.stride == 8
    assert network(images(64, 48)).shape == (2, 3, 8, 6)
    assert network(images(50, 33)).shape == (2, 3, 8, 6)  # filled up to whole cells of 16 pixels
    assert build("segmenter", backbone="timm/resnet18", stride=16).stride == 16


def test_a_decoder_sees_details_that_the_coarse_cells_do_not():
    """A pixel's change in the first tap alone changes the scores at its own cell and next to it."""
    network = build("segmenter", shape={"decoder": True}, backbone="timm/resnet18", stride=16).eval()
    first, _, last = network.backbone(images(64, 64))
    changed = first.clone()
    changed[:, :, 2, 5] += 1
    before, after = (network.head(network.decoder(network.atrous(last), tap)) for tap in (first, changed))
    moved = (before != after).any(1).any(0).nonzero()
    assert moved.amin(0).tolist() == [1, 4]
    assert moved.amax(0).tolist() == [3, 6]


def test_a_decoder_is_in_the_file(tmp_path):
    network = save(tmp_path / "decoder.safetensors", "segmenter", shape={"decoder": True})
    loaded, _ = file.load(tmp_path / "decoder.safetensors", Segmenter)
    assert loaded.stride == network.stride
    torch.testing.assert_close(loaded(images()), network.eval()(images()))


def test_dropout_acts_in_training_alone():
    network = build("classifier", freeze=True).train()
    assert not torch.equal(network(images()), network(images()))
    network.eval()
    assert torch.equal(network(images()), network(images()))


@pytest.mark.parametrize("kind", KINDS)
def test_layers_of_vgg_that_are_dropped(kind, monkeypatch):
    network, dropped = build(kind, backbone="vgg16").train(), []

    def forward(layer, maps):
        dropped.append((maps.shape[1], layer.p))
        return maps

    monkeypatch.setattr(torch.nn.Dropout2d, "forward", forward)
    network(images())
    fc6 = fc7 = (1024, 0.5)
    assert dropped == {"classifier": [fc6, fc7], "affinity_net": [fc6], "segmenter": [fc6, fc7]}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_keeps_norms_and_early_layers(kind):
    network = build(kind, freeze=True)
    kept = early_names(network) | norm_names(network)
    assert early_names(network)
    assert any("running_mean" in name for name in kept)
    changed = after_a_step(network)
    assert not changed & kept
    assert changed == {name for name, _ in network.named_parameters()} - kept
    assert not any(module.training for module in norms(network))


@pytest.mark.parametrize("kind", KINDS)
def test_not_frozen_changes_everything(kind):
    network = build(kind)
    given = {name for name in network.state_dict() if name.endswith(("num_batches_tracked", "offsets"))}
    assert after_a_step(network) | given == set(network.state_dict())


def test_frozen_norms_give_the_same_in_training():
    network = build("affinity_net", freeze=True)  # without dropout
    torch.testing.assert_close(network.train()(images()), network.eval()(images()))
    network = build("affinity_net")
    assert not torch.allclose(network.train()(images()), network.eval()(images()), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [False, True])
def test_each_trained_parameter_is_in_one_group(kind, frozen):
    network = build(kind, freeze=frozen).train()
    groups = network.parameter_groups(new_layers_factor=10, weight_decay=0.25)
    found = {}
    for group in groups:
        for parameter in group["params"]:
            assert id(parameter) not in found
            found[id(parameter)] = group["factor"], group["weight_decay"]
    expected = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            factor = 1 if name.startswith("backbone.") else 10
            if name.endswith("bias"):
                expected[id(parameter)] = 2 * factor, 0.0
            else:  # the scales of norms, vectors, are not decayed
                expected[id(parameter)] = factor, 0.25 if parameter.ndim > 1 else 0.0
    assert found == expected
    assert frozen == (len(found) < len(list(network.parameters())))


def test_vgg16_brings_its_own_atrous_layer_and_groups():
    with torch.device("meta"):
        segmenter = Segmenter.build(replace(FEATURES, backbone="vgg16"), classes=3, dilation=12)
        affinity = AffinityNet.build(replace(FEATURES, backbone="vgg16"), grid_stride=8)
    assert isinstance(segmenter.atrous, nn.Identity)
    assert segmenter.backbone.fc6.dilation == (12, 12)
    assert affinity.backbone.fc6.dilation == (4, 4)
    assert [branch[1].num_groups for branch in affinity.reduce] == [8, 16, 32]
    assert build("segmenter").atrous[0].dilation == (2, 2)
    assert all(isinstance(branch[1], nn.Identity) for branch in build("affinity_net").reduce)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_all_that_is_needed(tmp_path, kind):
    network = build(kind, seed=3)
    network.backbone.set_normalisation(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    after_a_step(network)  # other running statistics than those of the start
    path = tmp_path / "results/network.safetensors"
    file.save(path, network, ABOUT)
    assert [found.name for found in path.parent.iterdir()] == ["network.safetensors"]
    moved = path.rename(tmp_path / "other.safetensors")
    loaded, about = file.load(moved, NETWORKS[kind])
    assert type(loaded) is NETWORKS[kind] and loaded.kind == kind
    assert not loaded.training
    same_layout = network.eval().to(memory_format=torch.channels_last)  # another one may round otherwise
    assert torch.equal(loaded(images()), same_layout(images()))
    assert loaded.backbone.mean == (0.1, 0.2, 0.3)
    assert loaded.backbone.std == (0.4, 0.5, 0.6)
    assert about == replace(ABOUT, settings={"epochs": "3", "flip": "True"})


def test_another_kind(tmp_path):
    save(tmp_path / "a.safetensors", "classifier")
    found = refusal(file.load, tmp_path / "a.safetensors", Segmenter)
    assert "a.safetensors holds a network of kind 'classifier', expected 'segmenter'" in found


def test_a_missing_file(tmp_path):
    assert "a.safetensors does not exist" in refusal(file.load, tmp_path / "a.safetensors", Classifier)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file(tmp_path, share):
    path = tmp_path / "a.safetensors"
    save(path, "classifier")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "a.safetensors is not the file of a network" in refusal(file.load, path, Classifier)


def test_foreign_pickles_are_not_run(tmp_path):
    made = tmp_path / "made"
    torch.save({"kind": "classifier", "shape": Payload(made)}, tmp_path / "evil.safetensors")
    (tmp_path / "plain.safetensors").write_bytes(pickle.dumps({"kind": Payload(made)}))
    for name in ("evil", "plain"):
        path = tmp_path / f"{name}.safetensors"
        told = refusal(file.load, path, Classifier)
        assert f"{path} is not the file of a network (no safetensors: " in told
        assert told.endswith("): remove it and train again")
        assert path.name in refusal(build, "classifier", weights=str(path))
        path = path.rename(tmp_path / f"{name}.pth")
        assert path.name in refusal(build, "classifier", weights=str(path))
    assert not made.exists()


def test_weights_alone_are_no_network(tmp_path):
    save_file(build("classifier").state_dict(), tmp_path / "a.safetensors", {"format": "pt"})
    assert "a.safetensors is not a network of wsss" in refusal(file.load, tmp_path / "a.safetensors", Classifier)


def test_a_file_that_does_not_fit_the_network_that_it_names(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, "classifier")
    state, header = tensors.load(path)
    del state["head.weight"]
    tensors.save(path, state, header)
    assert "does not fit the network timm/test_efficientnet that it names" in refusal(file.load, path, Classifier)


@pytest.mark.parametrize("gone", ["features", "supervision"])
def test_a_network_of_another_version(tmp_path, gone):
    path = tmp_path / "a.safetensors"
    save(path, "classifier")
    state, header = tensors.load(path)
    del header[gone]
    tensors.save(path, state, header)
    assert "a.safetensors was written by another version of wsss, or is damaged: remove it and train again" in refusal(
        file.load, path, Classifier
    )


def test_weights_of_a_network_of_wsss(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, "classifier", seed=5)
    source, _ = file.load(path, Classifier)
    taken = build("segmenter", weights=str(path)).eval().to(memory_format=torch.channels_last)
    for mine, its in zip(taken.backbone(images()), source.backbone(images()), strict=True):
        assert torch.equal(mine, its)


def test_weights_of_another_backbone(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, "classifier", backbone=OTHER)
    found = refusal(build, "classifier", weights=str(path))
    assert f"a.safetensors holds weights of the backbone '{OTHER}', not of '{FEATURES.backbone}'" in found


def test_a_state_dict_of_another_network(tmp_path):
    path = tmp_path / "a.pth"
    other = backbones.build(OTHER, stride=8, weights="none", field_dilation=1)
    torch.save(other.network.state_dict(), path)
    assert f"a.pth holds no weights of {FEATURES.backbone}" in refusal(build, "classifier", weights=str(path))


def seen_by_the_backbone(
    network: Network, given: Tensor, monkeypatch, most: int
) -> tuple[list[int], Tensor, list[Tensor]]:
    """How many images each pass had, the output, and the gradients."""
    passes = []
    handle = network.backbone.register_forward_pre_hook(lambda _, arguments: passes.append(len(arguments[0])))
    monkeypatch.setattr(networks, "MOST_PIXELS", most)
    network.zero_grad()
    found = network(given)
    found.square().sum().backward()
    handle.remove()
    return passes, found, [each.grad.clone() for each in network.parameters() if each.grad is not None]


@pytest.mark.parametrize("kind", ["classifier", "segmenter"])
def test_few_images_at_once_on_a_cpu_change_nothing_but_rounding(kind, monkeypatch):
    network, given = build(kind, freeze=True).train(), images(batch=5)
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    (whole, expected, slopes), (passes, found, others) = (
        seen_by_the_backbone(network, given, monkeypatch, most) for most in (10**9, 2 * 40 * 48)
    )
    assert (whole, passes) == ([5], [2, 2, 1])
    torch.testing.assert_close(found, expected)
    for one, other in zip(slopes, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_an_image_that_is_larger_goes_alone_and_statistics_of_a_batch_are_those_of_all(monkeypatch):
    frozen, free = (build("segmenter", freeze=freeze).train() for freeze in (True, False))
    assert seen_by_the_backbone(frozen, images(batch=3), monkeypatch, 1)[0] == [1, 1, 1]
    assert seen_by_the_backbone(free, images(batch=3), monkeypatch, 1)[0] == [3]
    assert seen_by_the_backbone(free.eval(), images(batch=3), monkeypatch, 1)[0] == [1, 1, 1]
