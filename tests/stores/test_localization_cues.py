"""The cues of SEC's authors: reading them, refusing other files, and writing files in the same format."""

import os
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.labels import VOID
from wsss.runtime.errors import WsssError
from wsss.stores import localization_cues
from wsss.stores.localization_cues import Cues
from wsss.stores.safe_pickle import load_pickle

# image 7 shows class 2, at row 0 and column 1; background at row 1 and column 2: both arrays as Python 2.7 and numpy
# 1.16 wrote them, in cPickle's default protocol and in the binary one
BY_PROTOCOL_0 = (
    b"(dp1\nS'7_cues'\np2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntS'b'\ntRp5\n"
    b"(I1\n(I3\nI2\ntcnumpy\ndtype\np6\n(S'i8'\nI0\nI1\ntRp7\n(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
    + b"".join(rb"\x%02x" % value + rb"\x00" * 7 for value in (0, 2, 1, 0, 2, 1))
    + b"'\ntbsS'7_labels'\np8\ng3\n(g4\n(I0\ntS'b'\ntRp9\n(I1\n(I1\ntg7\nI00\nS'\\x02"
    + (rb"\x00" * 7 + b"'\ntbs.")
)
BY_PROTOCOL_2 = (
    b"\x80\x02}q\x01(U\x067_cuesq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
    b"\x87Rq\x05(K\x01K\x03K\x02\x86cnumpy\ndtype\nq\x06U\x02i8K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89U0"
    + np.array([0, 2, 1, 0, 2, 1], "<i8").tobytes()
    + b"tbU\x087_labelsq\x08h\x03h\x04K\x00\x85U\x01b\x87Rq\x09(K\x01K\x01\x85h\x07\x89U\x08"
    + np.array([2], "<i8").tobytes()
    + b"tbu."
)
NAMES = {3: "cow", 7: "dog"}


class Payload:
    """Makes os.system create the file `path` when Python's own unpickler loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


def content_of(**changes):
    """The two arrays of image 7, some of them replaced."""
    arrays = {"labels": np.array([2]), "cues": np.array([[0, 2], [1, 0], [2, 1]])} | changes
    return {f"7_{name}": array for name, array in arrays.items() if array is not None}


def read(folder, content, names=NAMES, *, classes=4, size=(2, 3)):
    (folder / "cues.pickle").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 2))
    return localization_cues.read(folder / "cues.pickle", names, classes=classes, size=size)


def refusal(folder, content, *arguments, **options):
    """The text of the error, which has one line and names the file."""
    with pytest.raises(WsssError) as caught:
        read(folder, content, *arguments, **options)
    text = str(caught.value)
    assert "\n" not in text and str(folder / "cues.pickle") in text
    return text


def cues_like(seed, classes, size):
    """Random cues: some classes, and labels that are background, of these classes or VOID; sometimes no class."""
    generator = np.random.default_rng(seed)
    tags = generator.permutation(np.arange(1, classes))[: generator.integers(classes)].astype(np.uint8)
    values = np.array([0, VOID, VOID, *tags], np.uint8)
    return Cues(tags, values[generator.integers(len(values), size=size)])


@pytest.mark.parametrize("content", [content_of(), BY_PROTOCOL_0, BY_PROTOCOL_2], ids=["now", "protocol 0", "2"])
def test_read_by_hand(tmp_path, content):
    found = read(tmp_path, content)
    assert list(found) == ["dog"]
    assert found["dog"].tags.tolist() == [2] and found["dog"].tags.dtype == np.uint8
    assert found["dog"].labels.tolist() == [[VOID, 2, VOID], [VOID, VOID, 0]]
    assert type(found["dog"].labels) is type(found["dog"].tags) is np.ndarray


def test_images_come_in_the_order_of_the_list(tmp_path):
    content = content_of() | {"3_labels": np.array([1, 3], np.int32), "3_cues": np.array([[3], [0], [0]], np.uint8)}
    assert list(read(tmp_path, content)) == ["cow", "dog"]
    found = read(tmp_path, content, {7: "dog", 9: "cat", 3: "cow"})
    assert list(found) == ["dog", "cow"]
    assert found["cow"].tags.tolist() == [1, 3]
    assert found["cow"].labels.tolist() == [[3, VOID, VOID], [VOID, VOID, VOID]]


def test_a_cell_named_twice_and_no_cells(tmp_path):
    found = read(tmp_path, content_of(cues=np.array([[2, 2], [1, 1], [0, 0]])))
    assert found["dog"].labels.tolist() == [[VOID, VOID, VOID], [2, VOID, VOID]]
    found = read(tmp_path, content_of(labels=np.zeros(0, int), cues=np.zeros((3, 0), int)))
    assert found["dog"].tags.size == 0 and (found["dog"].labels == VOID).all()


def test_a_payload_is_refused_and_not_run(tmp_path):
    made = tmp_path / "made"
    pickle.loads(pickle.dumps(Payload(made)))  # Python's own unpickler does run it
    made.unlink()
    for content in (content_of(cues=Payload(made)), Payload(made), f"cos\nsystem\n(S'touch {made}'\ntR.".encode()):
        text = refusal(tmp_path, content)
        assert ".system: only plain data is read from it; if you trust the file, convert it" in text
    assert not made.exists()


def test_overlapping_cells_are_refused(tmp_path):
    cues = np.array([[1, 0, 3, 1, 1], [0, 1, 1, 1, 0], [0, 2, 2, 2, 0]])
    text = refusal(tmp_path, content_of(labels=np.array([1, 3]), cues=cues))
    assert "image 7 (dog): row 1, column 2 has the classes 0 1 3: give each cell only one class" in text


@pytest.mark.parametrize("cell", [(4, 0, 0), (-1, 0, 0), (2, 2, 0), (2, -1, 0), (2, 0, 3), (2, 0, -1)])
@pytest.mark.parametrize("before", [(), [(0, 1, 2)]], ids=["alone", "second"])
def test_cells_out_of_range_are_refused(tmp_path, cell, before):
    text = refusal(tmp_path, content_of(cues=np.array([*before, cell]).T))
    kind, row, column = cell
    assert f"image 7 (dog): class {kind} at row {row}, column {column}, expected classes below 4 on 2 x 3 cells" in text
    assert "expected classes below 4" in refusal(tmp_path, content_of(cues=np.full((3, 1), 2**64 - 1, np.uint64)))


@pytest.mark.parametrize("labels", [[0], [2, 4], [-2]])
def test_labels_out_of_range_are_refused(tmp_path, labels):
    text = refusal(tmp_path, content_of(labels=np.array(labels)))
    assert f"shows the classes {' '.join(map(str, labels))}, expected 1 to 3" in text


def test_cues_of_a_class_that_the_image_does_not_show_are_refused(tmp_path):
    text = refusal(tmp_path, content_of(labels=np.array([1, 3])))
    assert "image 7 (dog) has cues of class 2, but shows 1 3" in text


@pytest.mark.parametrize("lost", ["labels", "cues"])
def test_a_missing_array_and_images_that_the_list_lacks_are_refused(tmp_path, lost):
    text = refusal(tmp_path, content_of(**{lost: None}))
    assert f"image 7 (dog): '7_{lost}' is missing, but its other array is there" in text
    assert "the list has no image 7: give the list that belongs to it" in refusal(tmp_path, content_of(), {3: "cow"})


@pytest.mark.parametrize("key", ["7", "07_labels", "7_label", "x_cues", "7_cues\n", "7_cues" * 99, 7, None])
def test_other_keys_are_refused(tmp_path, key):
    expected = f"has the key {repr(key)[:80]}, expected keys such as '12_labels' and '12_cues'"
    assert expected in refusal(tmp_path, content_of() | {key: np.array([1])})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"labels": np.array([2.0])}, "'7_labels' is float64 of shape (1,), expected an integer array with 1 dim"),
        ({"labels": np.array(2)}, "'7_labels' is int64 of shape ()"),
        ({"labels": np.array([True])}, "'7_labels' is bool of shape (1,)"),
        ({"labels": [2]}, "'7_labels' is a list"),
        ({"cues": np.array([0, 1, 2])}, "'7_cues' is int64 of shape (3,), expected an integer array with 2 dim"),
        ({"cues": np.zeros((3, 0))}, "'7_cues' is float64 of shape (3, 0)"),
        ({"cues": np.array([["0"], ["1"], ["2"]])}, "'7_cues' is <U1 of shape (3, 1)"),
        ({"cues": np.zeros((4, 2), int)}, "its cues have 4 rows, expected 3: class, row, column"),
    ],
)
def test_other_arrays_are_refused(tmp_path, change, expected):
    assert expected in refusal(tmp_path, content_of(**change))


def test_other_objects_and_other_files_are_refused(tmp_path):
    assert "holds a list, expected a dict of cues" in refusal(tmp_path, [content_of()])
    assert "cannot be read" in refusal(tmp_path, b"no pickle")
    with pytest.raises(WsssError, match=r"absent\.pickle does not exist"):
        localization_cues.read(tmp_path / "absent.pickle", NAMES, classes=4, size=(2, 3))


def listed(folder, text):
    (folder / "list.txt").write_bytes(text.encode("latin-1"))
    return localization_cues.read_list(folder / "list.txt")


def test_read_list_by_hand(tmp_path):
    found = listed(tmp_path, "2007_000032.jpg 5\r\na b.c.png\t0\nsub/x.jpeg 12")
    assert list(found.items()) == [(5, "2007_000032"), (0, "a b.c"), (12, "sub/x")]
    assert listed(tmp_path, "\xef\xbb\xbfa.jpg 3") == {3: "a"}  # as Notepad saves it
    with pytest.raises(WsssError, match="list.txt names no image: give the list"):
        listed(tmp_path, "")


@pytest.mark.parametrize("line", ["a.jpg", "a 3", ".jpg 3", "a.jpg three", "a.jpg -1", "a.jpg 1.5", "a.jpg 1 2", ""])
def test_malformed_lines_are_refused(tmp_path, line):
    with pytest.raises(WsssError, match=r"list\.txt, line 2: .*: expected a name and a number, such as 'a.jpg 12'$"):
        listed(tmp_path, f"b.jpg 0\n{line}\nc.jpg 4\n")


@pytest.mark.parametrize(("line", "repeated"), [("c.jpg 4", "number 4"), ("a.png 5", "name 'a'")])
def test_lines_that_repeat_are_refused(tmp_path, line, repeated):
    with pytest.raises(WsssError, match=rf"list\.txt, line 3: the {repeated} occurs in an earlier line"):
        listed(tmp_path, f"a.jpg 4\nb.jpg 0\n{line}\n")


def test_lists_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(WsssError, match="absent does not exist: give the list"):
        localization_cues.read_list(tmp_path / "absent")
    with pytest.raises(WsssError, match=r"list\.txt cannot be read .*utf-8.*: give the list"):
        listed(tmp_path, "é.jpg 0\n")
    with pytest.raises(WsssError, match="is a folder, no file"):
        localization_cues.read_list(tmp_path)


@given(seed=st.integers(0, 2**16), classes=st.integers(2, 21), rows=st.integers(1, 41), columns=st.integers(1, 41))
@settings(max_examples=30, deadline=None)
def test_round_trip(tmp_path_factory, seed, classes, rows, columns):
    folder, size = tmp_path_factory.mktemp("cues"), (rows, columns)
    images = {f"img {number}.é": cues_like(seed + number, classes, size) for number in range(3)}
    localization_cues.write(folder / "cues.pickle", images, folder / "cues.txt")
    names = localization_cues.read_list(folder / "cues.txt")
    assert names == dict(enumerate(images))
    found = localization_cues.read(folder / "cues.pickle", names, classes=classes, size=size)
    assert list(found) == list(images)
    for image_id, cues in images.items():
        np.testing.assert_array_equal(found[image_id].tags, cues.tags)
        np.testing.assert_array_equal(found[image_id].labels, cues.labels)


def test_secs_indexing_works_on_the_written_dict(tmp_path):
    images = {"b": Cues(np.array([3, 1], np.uint8), np.array([[VOID, 3], [0, 1]], np.uint8))}
    localization_cues.write(tmp_path / "new" / "cues.pickle", images, tmp_path / "list.txt")
    assert (tmp_path / "list.txt").read_text() == "b.jpg 0\n"
    loaded = load_pickle(tmp_path / "new" / "cues.pickle")
    assert loaded["0_labels"].tolist() == [3, 1]
    masks = np.zeros((4, 2, 2), int)
    masks[loaded["0_cues"][0], loaded["0_cues"][1], loaded["0_cues"][2]] = 1
    assert masks.tolist() == [[[0, 0], [1, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    assert loaded["0_cues"].dtype == loaded["0_labels"].dtype == np.int64


def test_python_2_can_read_what_is_written(tmp_path):
    localization_cues.write(tmp_path / "cues.pickle", {"a": cues_like(1, 21, (41, 41))}, tmp_path / "list.txt")
    codes = list(pickletools.genops((tmp_path / "cues.pickle").read_bytes()))
    assert {code.proto for code, _, _ in codes} <= {0, 1, 2}
    named = {argument for code, argument, _ in codes if code.name == "GLOBAL"}
    assert named <= {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype", "_codecs encode"}


def test_a_failing_writer_keeps_the_old_files(tmp_path):
    path, list_path = tmp_path / "cues.pickle", tmp_path / "list.txt"
    for old in (path, list_path):
        old.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        localization_cues.write(path, {"a\ud800": cues_like(0, 4, (2, 3))}, list_path)
    assert path.read_text() == list_path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [path, list_path]
