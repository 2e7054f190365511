"""Stores that were changed behind their back: told, whatever was changed."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from settings import CLASSES

from wsss.runtime.errors import WsssError
from wsss.stores import store

SIZE = (6, 8)


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "masks.h5", seed=0)


def written(path, *, seed: int, ids: tuple[str, ...] = ("a", "b")):
    generator = np.random.default_rng(seed)
    with store.create(path, "masks", classes=CLASSES, settings={"scales": "1.0"}, inputs={}) as target:
        for image_id in ids:
            target.add(image_id, SIZE, plain=generator.integers(0, 3, SIZE, np.uint8))
    return path


def read_all(path) -> dict[str, np.ndarray]:
    with store.read(path, "masks") as source:
        return {image_id: source[image_id]["plain"] for image_id in source}


def overwrite(file):
    file["a/plain"][0, 0] ^= 1


def reverse_classes(file):
    file.attrs["classes"] = list(reversed(list(file.attrs["classes"])))


def change_a_setting(file):
    file.attrs["setting.scales"] = "2.0"


def empty(file):
    del file["b/plain"]


def change_the_size(file):
    file["b"].attrs["size"] = (8, 6)


def change_the_type(file):
    values = file["b/plain"][()]
    del file["b/plain"]
    file["b/plain"] = values.astype(np.float64)


def exchange(file):
    file.move("a", "c")
    file.move("b", "a")
    file.move("c", "b")


def link_a_group(file):
    del file["a"]
    file["a"] = h5py.ExternalLink("other.h5", "a")


def link_an_array(file):
    del file["a/plain"]
    file["a/plain"] = h5py.ExternalLink("other.h5", "a/plain")


def link_softly(file):
    del file["a/plain"]
    file["a/plain"] = h5py.SoftLink("/b/plain")


def make_virtual(file):
    del file["a/plain"]
    layout = h5py.VirtualLayout(SIZE, np.uint8)
    layout[:] = h5py.VirtualSource("other.h5", "a/plain", SIZE)
    file["a"].create_virtual_dataset("plain", layout)


def store_elsewhere(file):
    del file["a/plain"]
    file["a"].create_dataset("plain", SIZE, np.uint8, external=[("secret", 0, 48)])


@pytest.mark.parametrize(
    "damage",
    [overwrite, reverse_classes, change_a_setting, empty, change_the_size, change_the_type, exchange, link_a_group,
     link_an_array, link_softly, make_virtual, store_elsewhere],
)  # fmt: skip
def test_damage_is_told(path, damage, monkeypatch):
    monkeypatch.chdir(path.parent)
    written(path.parent / "other.h5", seed=1)
    (path.parent / "secret").write_bytes(bytes(48))
    assert read_all(path).keys() == {"a", "b"}
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(WsssError) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    assert "rerun" in str(caught.value)


@pytest.mark.parametrize("place", range(12))
def test_a_flipped_byte_of_an_array_is_told_or_changes_nothing(path, place):
    expected = read_all(path)
    content = bytearray(path.read_bytes())
    content[len(content) * (2 * place + 1) // 24] ^= 0x10
    path.write_bytes(content)
    try:
        found = read_all(path)
    except WsssError:
        return
    for image_id, mask in expected.items():
        np.testing.assert_array_equal(found[image_id], mask)


def test_a_shard_that_was_exchanged_is_told(tmp_path):
    shards = [written(tmp_path / f"masks/{n}-of-2.h5", seed=n, ids=(f"image{n}",)) for n in (1, 2)]
    store.gather(shards, tmp_path / "masks.h5")
    assert read_all(tmp_path / "masks.h5").keys() == {"image1", "image2"}
    written(shards[0], seed=5, ids=("image1",))
    with pytest.raises(WsssError, match=r"1-of-2.h5 is not the file that was joined to .*: remove both"):
        read_all(tmp_path / "masks.h5")


def test_a_damaged_shard_is_named(tmp_path):
    shards = [written(tmp_path / f"masks/{n}-of-2.h5", seed=n, ids=(f"image{n}",)) for n in (1, 2)]
    store.gather(shards, tmp_path / "masks.h5")
    with h5py.File(shards[1], "r") as file:
        start = file["image2/plain"].id.get_chunk_info(0).byte_offset
    content = bytearray(shards[1].read_bytes())
    content[start] ^= 1
    shards[1].write_bytes(content)
    with pytest.raises(WsssError, match=r"2-of-2.h5 is damaged .*: remove it and .*masks.h5, to which it was"):
        read_all(tmp_path / "masks.h5")


def test_a_joined_store_may_be_moved_with_its_shards(tmp_path):
    shards = [written(tmp_path / f"a/masks/{n}-of-2.h5", seed=n, ids=(f"image{n}",)) for n in (1, 2)]
    store.gather(shards, tmp_path / "a/masks.h5")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert read_all(tmp_path / "b/masks.h5").keys() == {"image1", "image2"}


def test_numbers_that_are_none_are_not_stored(tmp_path):
    with (
        pytest.raises(WsssError, match="a: scores is NaN or infinite"),
        store.create(tmp_path / "s.h5", "scores", classes=CLASSES, settings={}, inputs={}) as target,
    ):
        target.add("a", SIZE, scores=np.array([[[np.nan]]], np.float16))
    assert not (tmp_path / "s.h5").exists()


SECTORS = """
import sys
from pathlib import Path
from wsss.runtime.errors import WsssError
from wsss.stores import store

def content(path):
    with store.read(path, "masks") as source:
        images = [(name, source[name]["plain"].tobytes(), source.size(name)) for name in source]
        return sorted(images), sorted((name, str(value)) for name, value in source.attributes.items())

path, folder, step = Path(sys.argv[1]), Path(sys.argv[2]), 256
whole, expected = path.read_bytes(), content(path)
for start in range(0, len(whole), step):
    damaged = folder / f"{start}.h5"
    damaged.write_bytes(whole[:start] + bytes(len(whole[start : start + step])) + whole[start + step :])
    print("sector", start, flush=True)
    try:
        assert content(damaged) == expected, start
    except WsssError:
        pass
"""
"""Zeroes each sector in turn, and fails where the damage is neither told nor without effect."""


def test_no_zeroed_sector_hangs_or_gives_other_content(path, tmp_path):
    command = [sys.executable, "-c", SECTORS, path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()[-3:]
