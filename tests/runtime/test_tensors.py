"""Files of tensors with a header, in a format that other programs read, that say whether they are damaged."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from wsss.runtime import tensors
from wsss.runtime.errors import WsssError
from wsss.runtime.sealed import Damaged

STATE = {"b.weight": torch.arange(12.0).reshape(3, 4), "a": torch.tensor(7), "none": torch.zeros(0, 2)}
HEADER = {"kind": "x", "names": ["Katze", "猫", "\ud800"], "settings": {"epochs": 1.5}}


def saved(path: Path) -> Path:
    tensors.save(path, STATE, HEADER)
    return path


def raw(path: Path, header: dict, data: bytes = b"") -> Path:
    """A file whose header is written by hand."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_a_round_trip(tmp_path):
    state, header = tensors.load(saved(tmp_path / "x.safetensors"))
    assert header == HEADER
    assert state.keys() == STATE.keys()
    for name, value in STATE.items():
        assert torch.equal(state[name], value) and state[name].dtype == value.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_other_programs_read_it(tmp_path):
    with safe_open(saved(tmp_path / "x.safetensors"), framework="numpy") as source:
        assert source.get_tensor("b.weight").tolist() == STATE["b.weight"].tolist()
        header = json.loads(source.metadata()["wsss"])
    digest = header.pop("digest")
    assert header == HEADER
    whole = (tmp_path / "x.safetensors").read_bytes()
    assert hashlib.sha256(whole.replace(digest.encode(), b"0" * 64)).hexdigest() == digest


def test_the_same_content_is_the_same_bytes_in_every_process(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import pathlib, test_tensors as t;"
        f"t.saved(pathlib.Path({str(tmp_path / 'other.safetensors')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert saved(tmp_path / "x.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()


def test_neither_layout_nor_shared_memory_counts(tmp_path):
    photographs = torch.rand(2, 3, 4, 5)
    tensors.save(tmp_path / "a.safetensors", {"x": photographs, "y": photographs.clone()}, {})
    shared = photographs.to(memory_format=torch.channels_last)
    tensors.save(tmp_path / "b.safetensors", {"x": shared, "y": shared}, {})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_any_flipped_byte_is_noticed(tmp_path):
    path = saved(tmp_path / "x.safetensors")
    whole = path.read_bytes()
    silent = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            _, header = tensors.load(path)
        except Damaged:
            continue
        silent.append(place)
        assert header is None
    # of the header's own name: the file is then one of another program
    assert bytes(whole[place] for place in silent) == b"wsss"


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file(tmp_path, share):
    path = saved(tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(Damaged):
        tensors.load(path)
    with pytest.raises(FileNotFoundError):
        tensors.load(tmp_path / "gone.safetensors")
    with pytest.raises(WsssError, match="is a folder"):
        tensors.load(tmp_path)


FORGED = {
    "a long header": (10**7).to_bytes(8, "little") + b"{}",
    "a header of 2**63 bytes": (2**63).to_bytes(8, "little") + b"{}",
    "a header that ends early": (4).to_bytes(8, "little") + b'{"a"',
    "an archive of torch": b"PK\x03\x04" + bytes(1000),
    "a list": (2).to_bytes(8, "little") + b"[]",
    "a deep header": (60_000).to_bytes(8, "little") + b'{"a":' * 12_000,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_file(tmp_path, name):
    (tmp_path / "x.safetensors").write_bytes(FORGED[name])
    with pytest.raises(Damaged, match="no safetensors: [^\n]*$"):
        tensors.load(tmp_path / "x.safetensors")


TENSORS = {
    "a million million numbers": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 8]},
    "more than can be counted": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]},
    "none, of more than can be counted": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]},
    "an unknown type": {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]},
    "a place beyond the file": {"dtype": "F32", "shape": [2], "data_offsets": [2**40, 2**40 + 8]},
    "an end before the start": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]},
    "a size below zero": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_forged_tensor(tmp_path, name):
    path = raw(tmp_path / "x.safetensors", {"a": TENSORS[name]}, bytes(TENSORS[name]["data_offsets"][1] and 8))
    with pytest.raises(Damaged, match="no safetensors: [^\n]*$"):
        tensors.load(path)


HEADERS = ["{", "[" * 100_000, "1" * 5000, "[]", "{}", '{"digest": ""}', '{"digest": "\\ud800"}']


@pytest.mark.parametrize("text", HEADERS)
def test_a_forged_header(tmp_path, text):
    with pytest.raises(Damaged):
        tensors.load(raw(tmp_path / "x.safetensors", {"__metadata__": {"wsss": text}}))


def test_a_file_of_another_program_has_no_header(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors", {"format": "pt"})
    state, header = tensors.load(tmp_path / "x.safetensors")
    assert header is None and state["a"].tolist() == [1, 1]


def test_what_json_lacks_is_refused(tmp_path):
    with pytest.raises(ValueError):
        tensors.save(tmp_path / "x.safetensors", STATE, {"mean": float("nan")})
    assert not list(tmp_path.iterdir())
