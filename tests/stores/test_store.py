"""Stores: round trip, complete or absent, refusals in one line, links and digests."""

import multiprocessing
import os
import pickle
import shutil
import subprocess
import time

import h5py
import numpy as np
import pytest
from settings import CLASSES
from small_stores import arrays_like, assert_holds, changed, write

from wsss.labels import Classes
from wsss.runtime.errors import WsssError
from wsss.stores import store
from wsss.stores.shared import Shared

# round trip


def test_round_trip(tmp_path):
    source = tmp_path / "images.csv"
    source.write_text("id\n")
    path = write(tmp_path / "new folder/cams.h5", inputs={"images": source})
    with store.read(path, "cams") as reader:
        assert_holds(reader, {"a": 1, "b": 2})
        assert len(reader) == 2
        assert "a" in reader
        assert "c" not in reader
        assert reader.classes == CLASSES
        about = reader.attributes
    assert about["kind"] == "cams"
    assert about["images"] == 2
    assert about["setting.stride"] == "4"
    assert about["setting.scales"] == "0.5 1.0"
    assert about["input.images"] == store.digest(source)
    assert store.kind_of(path) == "cams"
    assert [file.name for file in path.parent.iterdir()] == ["cams.h5"]


@pytest.mark.parametrize("foreground", [{}, {"Öl_kanne-2": 254}, {"b": 3, "a": 1, "c": 2}])
def test_classes_round_trip(tmp_path, foreground):
    classes = Classes.of(foreground)
    with store.read(write(tmp_path / "x.h5", classes=classes), "cams") as reader:
        assert reader.classes == classes
        assert reader.classes.colours == classes.colours
    assert Shared(tmp_path / "x.h5", "cams").classes == classes


def test_a_store_without_images(tmp_path):
    with store.read(write(tmp_path / "x.h5", {}), "cams") as reader:
        assert len(reader) == 0
        assert list(reader) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, bool, np.int8])
def test_other_types_are_refused(tmp_path, dtype):
    with (
        pytest.raises(TypeError, match=f"a/cam is {np.dtype(dtype)}: stores hold float16 and uint8 only"),
        store.create(tmp_path / "x.h5", "cams", classes=CLASSES, settings={}, inputs={}) as target,
    ):
        target.add("a", (2, 2), cam=np.zeros((1, 2, 2), dtype))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("h5ls"), reason="no h5ls here: apt-get install hdf5-tools")
def test_h5ls_reads_it(tmp_path):
    path = write(tmp_path / "x.h5")
    listing = subprocess.run(["h5ls", "-r", path], check=True, capture_output=True, text=True).stdout
    assert "/a/cam" in listing
    assert "{2, 3, 4}" in listing


def test_the_file_is_of_the_old_version_that_debians_h5ls_reads(tmp_path):
    with h5py.File(write(tmp_path / "x.h5"), "r") as file:
        assert file.libver[1] in ("v110", "latest", "v200")
        cam = file["a/cam"]
        assert (cam.compression, cam.compression_opts, cam.shuffle, cam.chunks) == ("gzip", 4, True, cam.shape)
    assert (tmp_path / "x.h5").read_bytes()[8] == 3  # superblock of HDF5 1.10; its writer sets the flag of open files


# refusals


def missing(path):
    pass


def foreign(path):
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2]


def unfinished(path):
    with h5py.File(path, "w") as file:
        file.attrs.update(kind="cams", schema=store.SCHEMA)


def torn(path):
    path.write_bytes(write(path).read_bytes()[:-1000])


BAD = {
    "does not exist: run the stage that writes it first": missing,
    "is not a finished store of wsss: remove it": foreign,
    "is not a finished store of wsss: remove it and rerun": unfinished,
    "cannot be read as an HDF5 file (": torn,
    "cannot be read as an HDF5 file (Unable": lambda path: path.write_text("id,split\n"),
    "cannot be read as an HDF5 file (U": lambda path: path.touch(),
    "has schema 99, expected 4: remove it and rerun": lambda path: changed(write(path), schema=99),
    "holds 'scores', expected 'cams': is the rule's input right?": lambda path: write(path, kind="scores"),
}


@pytest.mark.parametrize("words", BAD)
def test_other_files_are_refused_in_one_line_that_names_the_file(tmp_path, words):
    path = tmp_path / "some.h5"
    BAD[words](path)
    opened = [lambda: store.read(path, "cams").__enter__(), lambda: Shared(path, "cams")]
    if "holds" not in words:
        opened += [lambda: store.kind_of(path), lambda: store.digest(path)]
        opened.append(lambda: store.gather([path], tmp_path / "joined.h5"))
    for function in opened:
        with pytest.raises(WsssError) as caught:
            function()
        assert f"{path} {words}" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "joined.h5").exists()


def test_a_missing_image(tmp_path):
    path = write(tmp_path / "some.h5")
    shared = Shared(path, "cams")
    with store.read(path, "cams") as reader:
        for function in (reader.__getitem__, reader.size, shared.__getitem__):
            with pytest.raises(WsssError) as caught:
                function("2007_000001")
            assert f"{path} holds no image '2007_000001'" in str(caught.value)
            assert "\n" not in str(caught.value)


# reading


def test_reading_does_not_change_the_time_stamp(tmp_path):
    shards = [write(tmp_path / "x/1.h5", {"a": 1}), write(tmp_path / "x/2.h5", {"b": 2})]
    store.gather(shards, tmp_path / "x.h5")
    for path in [*shards, tmp_path / "x.h5"]:
        os.utime(path, ns=(10**18, 10**18))
    with store.read(tmp_path / "x.h5", "cams") as reader:
        assert_holds(reader, {"a": 1, "b": 2})
    assert Shared(shards[0], "cams")["a"]
    store.digest(shards[0])
    store.kind_of(shards[0])
    store.gather(shards, tmp_path / "y.h5")
    assert [path.stat().st_mtime_ns for path in [*shards, tmp_path / "x.h5"]] == [10**18] * 3


def test_a_store_that_is_removed_while_it_is_read(tmp_path):
    path = write(tmp_path / "x.h5", {"a": 1})
    with store.read(path, "cams") as reader:
        path.unlink()
        with pytest.raises(WsssError, match=r"x\.h5 was removed while it was read: rerun its stage"):
            reader["a"]


def test_shared_survives_pickling_before_and_after_use(tmp_path):
    shared = Shared(write(tmp_path / "x.h5"), "cams")
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(shared))
        np.testing.assert_array_equal(copy["b"]["cam"], arrays_like(2)["cam"])
        assert copy.classes == CLASSES
        assert copy.attributes["setting.stride"] == "4"
        np.testing.assert_array_equal(shared["a"]["cam"], arrays_like(1)["cam"])  # opens it


def _send_sums(shared, ids, pipe):
    pipe.send([float(shared[image_id]["cam"].astype(np.float64).sum()) for image_id in ids])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_shared_by_processes(tmp_path, method):
    images = {f"image{number}": number for number in range(30)}
    shared = Shared(write(tmp_path / "x.h5", images), "cams")
    expected = [float(arrays_like(seed)["cam"].astype(np.float64).sum()) for seed in images.values()]
    assert shared["image3"]  # the parent's handle is open when the others start
    context = multiprocessing.get_context(method)
    pipes = [context.Pipe() for _ in range(2)]
    workers = [context.Process(target=_send_sums, args=(shared, list(images), there)) for _, there in pipes]
    for worker in workers:
        worker.start()
    for (here, _), worker in zip(pipes, workers, strict=True):
        assert here.poll(60)
        assert here.recv() == expected
        worker.join()
        assert worker.exitcode == 0
    np.testing.assert_array_equal(shared["image4"]["cam"], arrays_like(4)["cam"])


# digests


def test_files_are_the_same_whenever_they_are_written(tmp_path):
    first = write(tmp_path / "1.h5")
    joined = tmp_path / "1_joined.h5"
    store.gather([first], joined)
    time.sleep(1.1)  # HDF5's time stamps, if it wrote any, are in seconds
    assert write(tmp_path / "2.h5").read_bytes() == first.read_bytes()
    store.gather([first], tmp_path / "2_joined.h5")
    assert (tmp_path / "2_joined.h5").read_bytes() == joined.read_bytes()


def test_the_digest_depends_on_the_content_only(tmp_path):
    first = store.digest(write(tmp_path / "1.h5"))
    assert store.digest(write(tmp_path / "same.h5")) == first
    others = [{"a": 1, "b": 3}, {"a": 1, "c": 2}, {"a": 1}, {"a": 2, "b": 1}]
    digests = [store.digest(write(tmp_path / f"{number}.h5", images)) for number, images in enumerate(others)]
    assert len({first, *digests}) == 5


def test_the_digest_depends_on_sizes_names_and_shapes(tmp_path):
    flat = np.arange(6, dtype=np.uint8)
    contents = [
        ((2, 3), {"plain": flat.reshape(2, 3)}),
        ((3, 2), {"plain": flat.reshape(2, 3)}),
        ((2, 3), {"plain": flat.reshape(3, 2)}),
        ((2, 3), {"refined": flat.reshape(2, 3)}),
        ((2, 3), {"plain": flat.reshape(2, 3), "refined": flat.reshape(2, 3)}),
    ]
    digests = set()
    for number, (size, arrays) in enumerate(contents):
        path = tmp_path / f"{number}.h5"
        with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
            target.add("a", size, **arrays)
        digests.add(store.digest(path))
    assert len(digests) == len(contents)


def test_little_of_a_store_stays_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CACHE", 100_000)
    images = {f"{number:03}": number for number in range(300)}
    path = write(tmp_path / "1.h5", images)
    store.gather([path], tmp_path / "joined.h5")
    for opened in (path, tmp_path / "joined.h5"):
        with store.read(opened, "cams") as reader:
            for image_id in reader:
                assert reader[image_id].keys() == {"cam", "classes"}
            limit, _, cached, _ = reader._file.id.get_mdc_size()
            assert limit == 100_000 and cached < 1.5 * limit


def test_the_digest_of_a_file_that_is_not_a_store(tmp_path):
    (tmp_path / "x.csv").write_text("abc")
    # from FIPS 180-2, appendix B.1
    assert store.digest(tmp_path / "x.csv") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ids


IDS = ("a/b", "a%2Fb", "a b", "a.b", ".", "..", "%2E", "写真/1", "a[1](2)", "a%", "%252F")


def test_ids_are_whole_whatever_they_hold(tmp_path):
    classes = Classes.of({f"class {number}": number for number in range(1, len(IDS))})
    with store.create(tmp_path / "s.h5", "masks", classes=classes, settings={}, inputs={}) as target:
        for number, image_id in enumerate(IDS):
            target.add(image_id, (1, 1), plain=np.full((1, 1), number, np.uint8))
    with store.read(tmp_path / "s.h5", "masks") as source:
        assert len(source) == len(IDS)
        assert sorted(source) == sorted(IDS)
        for number, image_id in enumerate(IDS):
            assert source[image_id]["plain"].item() == number
    store.gather([tmp_path / "s.h5"], tmp_path / "joined.h5")
    with store.read(tmp_path / "joined.h5", "masks") as source:
        assert {image_id: source[image_id]["plain"].item() for image_id in source} == dict(
            zip(IDS, range(11), strict=True)
        )
