import os
import pickle
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.runtime.errors import WsssError
from wsss.stores.safe_pickle import load_npy, load_pickle

# {'2007': uint8 array [1, 200]}, as Python 2 writes it: byte strings, and the names of numpy's modules at that time
BY_PYTHON_2 = (
    b"\x80\x02}U\x042007cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    b"\x89U\x02\x01\xc8tbs."
)


class Payload:
    """Creates the folder `path` when Python's own unpickler loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def saved(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_round_trip(tmp_path, protocol):
    content = {
        "names": ["a", b"\xff", "é"],
        "numbers": (1, 2.5, 10**30, 1j, True, None),
        "sets": [{1, 2}, frozenset({3}), OrderedDict(a=1)],
        2007000032: np.arange(6, dtype=">i2").reshape(2, 3).T,
        "scalars": [np.float32(0.5), np.int64(3), np.bool_(True), np.str_("x")],
        "objects": np.array([{"a": 1}, "b", None], dtype=object),
        "words": np.array(["cat", "dog"]),
        "empty": np.zeros((0, 3)),
    }
    found = load_pickle(saved(tmp_path / "a.pickle", content, protocol))
    assert found.keys() == content.keys()
    for name, value in content.items():
        if isinstance(value, np.ndarray):
            assert found[name].dtype.newbyteorder("=") == value.dtype.newbyteorder("=")
            np.testing.assert_array_equal(found[name], value)
        else:
            assert found[name] == value


def test_python_2_and_numpys_old_and_new_module_names(tmp_path):
    for number, module in enumerate((b"numpy.core.multiarray", b"numpy._core.multiarray")):
        path = tmp_path / f"{number}.pickle"
        path.write_bytes(BY_PYTHON_2.replace(b"numpy.core.multiarray", module))
        found = load_pickle(path)
        np.testing.assert_array_equal(found["2007"], np.array([1, 200], np.uint8))


def test_arrays_can_be_pickled_again(tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(BY_PYTHON_2)
    again = pickle.loads(pickle.dumps(load_pickle(path)))
    assert type(again["2007"]) is np.ndarray


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_tensors_become_arrays(tmp_path, protocol):
    numbers = torch.arange(24).reshape(2, 3, 4)
    kinds = (torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8)
    content = {str(kind): numbers.to(kind) for kind in (*kinds, torch.uint8, torch.bool)}
    content |= {"view": numbers[:, 1:, ::2].permute(1, 2, 0), "one": torch.tensor(3), "none": torch.zeros(0, 5)}
    found = load_pickle(saved(tmp_path / "a.pickle", content, protocol))
    for name, tensor in content.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)


def test_forged_tensors_are_refused(tmp_path):
    whole = pickle.dumps(torch.arange(6, dtype=torch.uint8).reshape(2, 3), 2)
    path = tmp_path / "forged.pickle"
    for old, new in (
        (b"K\x00K\x02K\x03\x86", b"K\x01K\x02K\x03\x86"),  # begins later than it may
        (b"K\x00K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x02K\x03\x86"),  # begins before its storage
        (b"K\x02K\x03\x86", b"K\x02K\x04\x86"),  # a longer row
        (b"K\x02K\x03\x86", b"K\x02J\xff\xff\xff\xff\x86"),  # a negative length
        (b"K\x02K\x03\x86", b"K\x02J\xff\xff\xff\x7f\x86"),  # more elements than numbers
        (b"ByteStorage", b"UnknStorage"),
        (b"ByteStorage", b"LongStorage"),  # more bytes than there are
    ):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(WsssError, match=r"forged\.pickle cannot be read"):
            load_pickle(path)


class TensorOf:
    """A tensor of ten numbers from a storage that is none."""

    def __init__(self, storage: object) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple:
        return torch._utils._rebuild_tensor_v2, (self.storage, 0, (10,), (1,), False, OrderedDict())


@pytest.mark.parametrize("storage", [np.zeros((10, 0)), np.zeros((10, 1)), b"0123456789", "0123456789", None])
def test_tensors_of_what_is_no_storage_are_refused(tmp_path, storage):
    with pytest.raises(WsssError, match=r"a\.pickle cannot be read"):
        load_pickle(saved(tmp_path / "a.pickle", TensorOf(storage)))


def test_npy(tmp_path):
    path = tmp_path / "labels.npy"
    np.save(path, {"a": np.array([0.0, 1.0])}, allow_pickle=True)
    found = load_npy(path)
    assert found.shape == ()
    assert found.item()["a"].tolist() == [0, 1]
    np.save(path, np.arange(3))
    assert load_npy(path).tolist() == [0, 1, 2]


def test_a_payload_is_refused_and_not_run(tmp_path):
    made = tmp_path / "made"
    plain = saved(tmp_path / "evil.pickle", {"a": Payload(made)})
    array = tmp_path / "evil.npy"
    np.save(array, np.array([Payload(made)], dtype=object), allow_pickle=True)
    for load, path in ((load_pickle, plain), (load_npy, array)):
        with pytest.raises(WsssError, match=rf"{path.name} refers to posix.mkdir"):
            load(path)
    assert not made.exists()


@pytest.mark.parametrize("name", ["builtins\neval", "numpy\nload", "numpy.core.multiarray\nset_string_function"])
def test_other_names_are_refused(tmp_path, name):
    path = tmp_path / "a.pickle"
    path.write_bytes(f"c{name}\n(S'1'\ntR.".encode())
    with pytest.raises(WsssError, match="refers to " + name.replace("\n", ".")):
        load_pickle(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"U\x02u1", b"U\x02O8"),  # pointers from bytes
        (b"NNNJ", b"N)}J"),  # fields
        (b"K\x02\x85c", b"K\x09\x85c"),  # more elements than bytes
        (b"K\x02\x85c", b"J\xfe\xff\xff\xff\x85c"),  # a negative length
        (b"\x89U\x02\x01\xc8", b"\x89]"),  # a list instead of bytes
        (
            b"u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x01\xc8",
            b"O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89]",
        ),  # too few objects
    ],
)
def test_forged_arrays_are_refused(tmp_path, old, new):
    path = tmp_path / "forged.pickle"
    assert old in BY_PYTHON_2
    path.write_bytes(BY_PYTHON_2.replace(old, new))
    with pytest.raises(WsssError, match=r"forged\.pickle cannot be read"):
        load_pickle(path)


def test_a_pickle_cannot_change_the_functions_of_others(tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x02c_codecs\nencode\nN}X\x0c\x00\x00\x00__defaults__)s\x86b.")
    load_pickle(path)  # sets the __defaults__ of the function that it got
    assert load_pickle(saved(tmp_path / "b.pickle", b"", protocol=2)) == b""


@pytest.mark.parametrize("load", [load_pickle, load_npy])
def test_damaged_and_missing_files(tmp_path, load):
    with pytest.raises(WsssError, match=r"a\.npy does not exist"):
        load(tmp_path / "a.npy")
    path = tmp_path / "b.npy"
    for content in (b"", b"no pickle", pickle.dumps([1, 2])[:-3]):
        path.write_bytes(content)
        with pytest.raises(WsssError, match=r"b\.npy cannot be read"):
            load(path)


def test_fields_of_objects_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(2, dtype=[("a", object)]), allow_pickle=True)
    with pytest.raises(WsssError, match=r"a\.npy cannot be read"):
        load_npy(path)


NESTED = b")" + b"2\x86" * 60
"""A tuple that holds itself twice, 60 times over: small in a file, and without end to be hashed or shown."""

HASHED = {
    "a key": b"\x80\x02}" + NESTED + b"K\x01s.",
    "keys": b"\x80\x02}(" + NESTED + b"K\x01u.",
    "a key of protocol 0": b"(" + NESTED + b"K\x01d.",
    "a set by its name": b"\x80\x02c__builtin__\nset\n](" + NESTED + b"e\x85R.",
    "an ordered table": b"\x80\x02ccollections\nOrderedDict\n](" + NESTED + b"K\x01\x86e\x85R.",
    "a set": b"\x80\x04\x8f(" + NESTED + b"\x90.",
    "a frozen set": b"\x80\x04(" + NESTED + b"\x91.",
}

LOAD = """
import sys
from pathlib import Path
from wsss.runtime.errors import WsssError
from wsss.stores.safe_pickle import load_pickle
try:
    load_pickle(Path(sys.argv[1]))
except WsssError as error:
    print(error)
"""


@pytest.mark.parametrize("name", HASHED)
def test_keys_that_take_ages_to_be_hashed_are_refused_at_once(tmp_path, name):
    path = tmp_path / "a.pickle"
    path.write_bytes(HASHED[name])
    command = [sys.executable, "-c", LOAD, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith(f"{path} cannot be read")
    assert "is of type tuple" in done.stdout


def test_a_forged_index_of_the_memo_takes_no_memory(tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x02K\x05r" + (2**31 - 1).to_bytes(4, "little") + b".")
    tracemalloc.start()
    assert load_pickle(path) == 5
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
