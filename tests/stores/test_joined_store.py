"""Stores of several shards: links to them, digests, and what is refused."""

import os

import h5py
import pytest
from settings import CLASSES
from small_stores import SETTINGS, assert_holds, write

from wsss.labels import Classes
from wsss.runtime.errors import WsssError
from wsss.stores import store
from wsss.stores.shared import Shared


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "results/cams"
    return [write(folder / "1-of-2.h5", {"a": 1, "b": 2}), write(folder / "2-of-2.h5", {"c": 3})]


def test_gathered_links_equal_the_shards(tmp_path, shards):
    joined = tmp_path / "results/cams.h5"
    store.gather(shards, joined)
    with store.read(joined, "cams") as reader:
        assert_holds(reader, {"a": 1, "b": 2, "c": 3})
        assert len(reader) == reader.attributes["images"] == 3
        assert reader.classes == CLASSES
        assert reader.attributes["setting.scales"] == "0.5 1.0"
        assert reader.attributes["shards"] == 2
    with h5py.File(joined, "r") as file:
        assert file.get("c", getlink=True).filename == "cams/2-of-2.h5"


def test_a_joined_store_has_the_digest_of_a_single_store(tmp_path, shards):
    joined = tmp_path / "results/cams.h5"
    store.gather(shards, joined)
    assert store.digest(joined) == store.digest(write(tmp_path / "all.h5", {"a": 1, "b": 2, "c": 3}))
    store.gather([shards[0]], joined)
    assert store.digest(joined) == store.digest(shards[0])


@pytest.mark.parametrize("parts", [["bdac"], ["b", "dac"], ["bd", "ac"], ["ca", "bd"]])
def test_the_digest_does_not_depend_on_shards_or_on_the_order(tmp_path, parts):
    seeds = dict(zip("abcd", range(4), strict=True))
    one = store.digest(write(tmp_path / "one.h5", seeds))
    for number, ids in enumerate(parts):
        write(tmp_path / f"{number}.h5", {image_id: seeds[image_id] for image_id in ids})
    store.gather([tmp_path / f"{number}.h5" for number in range(len(parts))], tmp_path / "joined.h5")
    assert store.digest(tmp_path / "joined.h5") == one


def test_a_changed_shard_changes_the_joined_file(tmp_path, shards):
    joined = tmp_path / "results/cams.h5"
    store.gather(shards, joined)
    before, digest = joined.read_bytes(), store.digest(joined)
    write(shards[1], {"c": 4})
    store.gather(shards, joined)
    assert joined.read_bytes() != before
    assert store.digest(joined) != digest
    write(shards[1], {"c": 3})
    store.gather(shards, joined)
    assert joined.read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": SETTINGS | {"stride": 8}},
        {"settings": {"scales": (0.5, 1.0), "stride": 4}},
        {"settings": SETTINGS | {"gamma": 1}},
        {"classes": Classes.of({"cat": 8, "cow": 12})},
        {"classes": Classes.of({"cat": 8})},
        {"kind": "scores"},
    ],
)
def test_shards_that_differ_are_refused(tmp_path, shards, changes):
    write(shards[1], {"c": 3}, **changes)
    with pytest.raises(WsssError) as caught:
        store.gather(shards, tmp_path / "results/cams.h5")
    assert f"{shards[1]} was made with other settings than {shards[0]}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path / "results") == ["cams"]  # noqa: PTH208


def test_shards_of_different_inputs_are_refused(tmp_path, shards):
    (tmp_path / "new.csv").write_text("new")
    write(shards[1], {"c": 3}, inputs={"images": tmp_path / "new.csv"})
    with pytest.raises(WsssError, match="other settings"):
        store.gather(shards, tmp_path / "results/cams.h5")


def test_one_image_in_two_shards_is_refused(tmp_path, shards):
    write(shards[1], {"b": 3})
    with pytest.raises(WsssError) as caught:
        store.gather(shards, tmp_path / "results/cams.h5")
    assert str(shards[1]) in str(caught.value)
    assert "'b'" in str(caught.value)


def test_a_moved_folder_is_readable(tmp_path, shards):
    store.gather(shards, tmp_path / "results/cams.h5")
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    with store.read(tmp_path / "elsewhere/cams.h5", "cams") as reader:
        assert_holds(reader, {"a": 1, "b": 2, "c": 3})


def test_relative_paths_are_readable_from_another_folder(tmp_path, shards, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = [shard.relative_to(tmp_path) for shard in shards]
    store.gather(relative, (tmp_path / "results/cams.h5").relative_to(tmp_path))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    with store.read(tmp_path / "results/cams.h5", "cams") as reader:
        assert_holds(reader, {"a": 1, "b": 2, "c": 3})


def test_a_removed_shard(tmp_path, shards):
    joined = tmp_path / "results/cams.h5"
    store.gather(shards, joined)
    shards[1].unlink()
    with store.read(joined, "cams") as reader:
        assert reader["a"]
        with pytest.raises(WsssError, match=f"was joined to {joined} and is not there: remove both"):
            reader["c"]


@pytest.mark.parametrize("name", ["results/cams/1-of-2.h5", "link.h5", "same.h5", "results/../results/cams/1-of-2.h5"])
def test_a_shard_is_not_written_over(tmp_path, shards, name):
    (tmp_path / "link.h5").symlink_to(shards[0])
    (tmp_path / "same.h5").hardlink_to(shards[0])
    before = shards[0].read_bytes()
    with pytest.raises(WsssError, match=f"{name} is one of the files that are read, and would be written over"):
        store.gather(shards, tmp_path / name)
    assert shards[0].read_bytes() == before
    assert sorted(file.name for file in shards[0].parent.iterdir()) == ["1-of-2.h5", "2-of-2.h5"]


def test_a_joined_store_is_no_shard(tmp_path, shards):
    store.gather(shards, tmp_path / "results/cams.h5")
    with pytest.raises(WsssError, match=r"results/cams\.h5 was itself joined of shards: give those"):
        store.gather([tmp_path / "results/cams.h5"], tmp_path / "results/all.h5")
    assert not (tmp_path / "results/all.h5").exists()


def test_a_pipe_in_the_place_of_a_shard_or_store_is_not_waited_for(tmp_path, shards):
    joined = tmp_path / "results/cams.h5"
    store.gather(shards, joined)
    with store.read(joined, "cams") as reader:
        shards[1].unlink()
        os.mkfifo(shards[1])
        with pytest.raises(WsssError, match=r"2-of-2\.h5 is a pipe or device"):
            reader["c"]
    for function in (store.kind_of, store.digest, lambda path: Shared(path, "cams")):
        with pytest.raises(WsssError, match=f"2-of-2.h5 is not the file that was joined to {joined}: remove both"):
            function(joined)
        with pytest.raises(WsssError, match=r"2-of-2\.h5 is a pipe or device"):
            function(shards[1])
    with pytest.raises(WsssError, match=r"2-of-2\.h5 is a pipe or device"):
        store.gather(shards, joined)
