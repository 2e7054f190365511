"""ResNet-38 (Wu et al.'s model A1) and the MXNet files in which its weights are published."""

import struct

import pytest
import torch
from small_backbones import IMAGES, build, shapes
from torch import Tensor

from wsss.networks.backbones import resnet38
from wsss.networks.backbones.backbone import load_weights
from wsss.runtime.errors import WsssError


@pytest.fixture(scope="module")
def meta_resnet38():
    with torch.device("meta"):
        return build("resnet38")


def test_resnet38_taps():
    backbone = build("resnet38").eval()
    with torch.no_grad():
        taps = backbone(IMAGES)
    assert shapes(taps) == [(512, 9, 9), (1024, 9, 9), (4096, 9, 9)]
    assert backbone.channels == (512, 1024, 4096) and backbone.stride == 8
    assert all((tap >= 0).all() and tap.any() for tap in taps)


def test_resnet38_structure(meta_resnet38):
    parameters = sum(parameter.numel() for parameter in meta_resnet38.parameters())
    assert 104e6 < parameters < 125e6  # 124 million with its classifier of 1000 classes, in the paper's table
    dilations = {name: getattr(meta_resnet38, name).conv_branch2a.dilation[0] for name in ("b4_5", "b5", "b5_1")}
    assert dilations == {"b4_5": 1, "b5": 1, "b5_1": 2}
    assert [meta_resnet38.b6.conv_branch2b1.dilation[0], meta_resnet38.b7.dropout_2b2.p] == [4, 0.5]
    assert len(meta_resnet38.early) == 4
    assert all(key.endswith((".weight", ".bias")) for key, _ in meta_resnet38.named_parameters())
    assert not any("conv" in key and key.endswith("bias") for key in meta_resnet38.state_dict())
    with torch.device("meta"):
        assert shapes(meta_resnet38(torch.empty(1, 3, 448, 448))) == [(c, 56, 56) for c in (512, 1024, 4096)]


def mxnet_names() -> list[str]:
    """Names in MXNet's file of ResNet-38, put together from its structure."""
    convolutions, norms = ["conv1a"], ["bn7"]
    for level, blocks in ((2, 3), (3, 3), (4, 6), (5, 3), (6, 1), (7, 1)):
        branches = ["branch2a", "branch2b1"] + (["branch2b2"] if level > 5 else [])
        for block in ["a"] + [f"b{index}" for index in range(1, blocks)]:
            shortcut = ["branch1"] if block == "a" else []
            convolutions += [f"res{level}{block}_{branch}" for branch in branches + shortcut]
            norms += [f"bn{level}{block}_{branch}" for branch in branches]
    names = [f"arg:{layer}_weight" for layer in convolutions]
    names += [f"arg:{layer}_{end}" for layer in norms for end in ("gamma", "beta")]
    return names + [f"aux:{layer}_{end}" for layer in norms for end in ("moving_mean", "moving_var")]


def test_mxnet_names_are_all_of_resnet38s(meta_resnet38):
    expected = {key for key in meta_resnet38.state_dict() if not key.endswith("num_batches_tracked")}
    assert {resnet38.rename_mxnet(name) for name in mxnet_names()} == expected
    assert resnet38.rename_mxnet("aux:bn3b1_branch2b1_moving_var") == "b3_1.bn_branch2b1.running_var"
    assert resnet38.rename_mxnet("arg:linear1000_bias") == "linear1000_bias"


def params_bytes(arrays: dict[str, Tensor], *, version: int) -> bytes:
    """A .params file of MXNet: version 0 is the one without magic."""
    content = struct.pack("<3Q", 0x112, 0, len(arrays))
    for array in arrays.values():
        if version:
            content += struct.pack("<I", 0xF993FAC7 + version)
        if version >= 2:
            content += struct.pack("<i", 0)
        content += struct.pack(f"<I{array.ndim}{'q' if version else 'I'}", array.ndim, *array.shape)
        content += struct.pack("<3i", 1, 0, resnet38.TYPES.index(array.dtype)) + array.numpy().tobytes()
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        content += struct.pack("<Q", len(name)) + name.encode()
    return content


ARRAYS = {
    "arg:conv1a_weight": torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(1)),
    "aux:bn7_moving_var": torch.arange(5, dtype=torch.int64),
    "arg:half": torch.tensor([0.5, 2.0], dtype=torch.float16),
}


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_mxnet_file_round_trip(tmp_path, version):
    path = tmp_path / "net.params"
    path.write_bytes(params_bytes(ARRAYS, version=version))
    read = resnet38.read_mxnet_params(path)
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype and torch.equal(read[name], array)


def test_mxnet_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "net.params"
    content = params_bytes(ARRAYS, version=2)
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(WsssError, match="net.params ends .* bytes too early"):
            resnet38.read_mxnet_params(path)


def test_foreign_and_damaged_mxnet_files_are_refused(tmp_path):
    path = tmp_path / "net.params"
    path.write_bytes(b"PK" + bytes(100))
    with pytest.raises(WsssError, match="no MXNet file of parameters"):
        build("resnet38", weights=str(path))
    path.write_bytes(struct.pack("<3QI4q", 0x112, 0, 1, 99, 0, 0, 0, 0))
    with pytest.raises(WsssError, match="an array of 99 dimensions"):
        resnet38.read_mxnet_params(path)
    path.write_bytes(struct.pack("<3QIi4q", 0x112, 0, 1, 0xF993FAC9, 1, 0, 0, 0, 0))
    with pytest.raises(WsssError, match="sparse"):
        resnet38.read_mxnet_params(path)
    path.write_bytes(struct.pack("<3QIiIq3i", 0x112, 0, 1, 0xF993FAC9, 0, 1, 1, 1, 0, 99))
    with pytest.raises(WsssError, match="type 99"):
        resnet38.read_mxnet_params(path)


def test_another_networks_checkpoint_is_refused_in_one_line(meta_resnet38, vgg16):
    with pytest.raises(WsssError, match=r"w.pth holds no weights of resnet38: .* tensors are missing, e.g. 'conv1a"):
        load_weights(meta_resnet38, vgg16.state_dict(), name="resnet38", source="w.pth")
    state = vgg16.state_dict()
    with pytest.raises(WsssError, match=r"1 have another shape, e.g. 'fc6.bias' is \(3,\), not \(1024,\)$") as error:
        load_weights(vgg16, state | {"fc6.bias": torch.zeros(3)}, name="vgg16", source="w.pth")
    assert "\n" not in str(error.value)
    with pytest.raises(WsssError, match="1 are not of this network, e.g. 'fc8.weight'"):
        load_weights(vgg16, state | {"fc8.weight": torch.zeros(3)}, name="vgg16", source="w.pth")
    load_weights(vgg16, state | {"fc8.weight": torch.zeros(3)}, name="vgg16", source="w.pth", ignored=r"fc8\.")


def test_an_empty_array_with_a_side_that_no_tensor_has(tmp_path):
    content = params_bytes({"arg:a": torch.empty(0, 77)}, version=2)
    assert content.count((77).to_bytes(8, "little")) == 1
    path = tmp_path / "a.params"
    path.write_bytes(content.replace((77).to_bytes(8, "little"), (2**62).to_bytes(8, "little")))
    assert resnet38.read_mxnet_params(path)["arg:a"].numel() == 0
