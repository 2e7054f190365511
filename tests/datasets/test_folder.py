"""Photographs in a folder and a table of their tags, as people have them."""

import errno
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from wsss.datasets import checks, folder
from wsss.labels import Classes
from wsss.runtime.errors import WsssError

FILES = ("cats/one.jpg", "cats/two.PNG", "dogs/train_00002.jpg", "dogs/train_00002 (2).jpg", "写真.webp", "x.y [1].tif")
TAGGED = {"cats/one": ("cat",), "dogs/train_00002 (2)": ("traffic light", "cat"), "写真": ("交通灯",)}


@pytest.fixture
def root(tmp_path):
    """The folder, with a photograph of 8 x 6 px under each name of FILES."""
    for name in FILES:
        path = tmp_path / "photographs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "grey").save(path)
    return tmp_path / "photographs"


def tags_of(root, text: str | bytes, *, name: str = "tags.csv") -> dict[str, tuple[str, ...]]:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = folder.read(root, table=name, masks="")
    assert found.problems == []
    return found.tags


def problems_of(root, text: str) -> list[str]:
    (root / "tags.csv").write_text(text, encoding="utf-8")
    return folder.read(root, table="tags.csv", masks="").problems


TABLES = {
    "commas": "file_name,tags\ncats/one.jpg,cat\ndogs/train_00002 (2).jpg,traffic light;cat\n写真.webp,交通灯\n",
    "semicolons": "file_name;tags\ncats/one.jpg;cat\ndogs/train_00002 (2).jpg;traffic light,cat\n写真.webp;交通灯\n",
    "tabs": "tags\tfile_name\ncat\tcats/one.jpg\ntraffic light, cat\tdogs/train_00002 (2).jpg\n交通灯\t写真.webp\n",
    "quotes": 'file_name,tags\n"cats/one.jpg",cat\n"dogs/train_00002 (2).jpg","traffic light,cat"\n写真.webp,交通灯\n',
    "no quotes": "file_name,tags\ncats/one.jpg,cat\ndogs/train_00002 (2).jpg,traffic light,cat\n写真.webp,交通灯\n",
    "Windows": (
        "\ufefffile_name;tags\r\ncats\\one.jpg;cat\r\n\r\n"
        "dogs\\train_00002 (2).jpg;traffic light, cat\r\n写真;交通灯\r\n"
    ),
    "other names": "Image , Label\n one.jpg , cat \ntrain_00002 (2).jpg,traffic light;cat\n./写真.webp,交通灯\n",
    "lines in a cell": 'file_name,tags\none.jpg,cat\ntrain_00002 (2).jpg,"traffic light\ncat"\n写真.webp,交通灯\n',
    "a merged heading": (
        "file_name,tags,\ncats/one.jpg,cat,\ndogs/train_00002 (2).jpg,traffic light,cat\n写真.webp,交通灯,\n"
    ),
    "several columns of tags": (
        "file_name,note,Tag1,tag 2\ncats/one.jpg,x,cat,\n"
        "dogs/train_00002 (2).jpg,,traffic light,cat\n写真.webp,y,交通灯,\n"
    ),
    "Excel's first line": (
        "sep=;\nfile_name;tags\ncats/one.jpg;cat\ndogs/train_00002 (2).jpg;traffic light,cat\n写真;交通灯\n"
    ),
    "spaces after commas": (
        'file_name, tags\ncats/one.jpg, "cat"\ndogs/train_00002 (2).jpg, "traffic light, cat"\n写真.webp, 交通灯\n'
    ),
    "bars": "file_name,tags\ncats/one.jpg,cat\ndogs/train_00002 (2).jpg,traffic light|cat\n写真.webp,交通灯\n",
    "full width": "file_name,tags\ncats/one.jpg,cat\ndogs/train_00002 (2).jpg,traffic light；cat\n写真.webp,交通灯、\n",
    "blanks of other kinds": (
        "file_name,tags\ncats/one.jpg,cat\u200b\ndogs/train_00002 (2).jpg,traffic\xa0 light;cat\n写真.webp,交通灯\n"
    ),
    "commas in the header": (
        "file_name;tags;remarks (a, b, c)\ncats/one.jpg;cat;\n"
        "dogs/train_00002 (2).jpg;traffic light,cat;x\n写真;交通灯\n"
    ),
    "an index": (
        ",file_name,cat,traffic light,交通灯\n0,cats/one.jpg,1,0,0\n"
        "1,dogs/train_00002 (2).jpg,1,1,0\n2,写真.webp,0,0,1\n"
    ),
    "columns": (
        "file_name,cat,traffic light,交通灯\ncats/one.jpg,1,0,0\ndogs/train_00002 (2).jpg,1,1,0\n写真.webp,0,0,1\n"
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_as_programs_write_them(root, kind):
    found = tags_of(root, TABLES[kind])
    assert {image_id: set(tags) for image_id, tags in found.items()} == {key: set(v) for key, v in TAGGED.items()}


def test_a_folder_for_each_class(root):
    found = folder.read(root, table="", masks="")
    assert found.classes == ("cats", "dogs")
    assert found.tags["cats/two"] == ("cats",)
    assert "写真" in found.files
    assert "写真" not in found.tags


def test_an_id_is_the_whole_path_without_its_suffix(root):
    found = folder.read(root, table="", masks="")
    assert set(found.files) == {
        "cats/one", "cats/two", "dogs/train_00002", "dogs/train_00002 (2)", "写真", "x.y [1]"
    }  # fmt: skip


def test_two_photographs_with_one_id_are_both_named(root):
    Image.new("RGB", (8, 6)).save(root / "cats/one.png")
    (problem,) = folder.read(root, table="", masks="").problems
    assert "cats/one.jpg and cats/one.png" in problem


def test_names_are_compared_in_one_form_of_unicode(root):
    Image.new("RGB", (8, 6)).save(root / "cafe\u0301.png")  # as macOS writes it
    assert tags_of(root, "file_name,tags\ncaf\u00e9.png,cat\n") == {"caf\u00e9": ("cat",)}


def test_a_listed_file_is_not_its_neighbour(root):
    (problem,) = problems_of(root, "file_name,tags\ncats/one.png,cat\n")
    assert "files in" in problem
    assert "cats/one.png" in problem


def test_many_lines_with_one_problem_are_one_line(root):
    lines = "".join(f"gone_{number}.jpg,cat\n" for number in range(1000))
    (problem,) = problems_of(root, "file_name,tags\n" + lines)
    assert problem.startswith("1000 files in ")
    assert "gone_0.jpg; gone_1.jpg; gone_2.jpg, …" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file_name,tags\ncats/one.jpg,cat\ncats/one.jpg,dog\n", "occur more than once"),
        ("file_name,tags\ncats/one.jpg,\n", "an image needs at least one class"),
        ("file_name,tags\n,cat\ncats/one.jpg,cat\n", "line 2"),
        ("\nfile_name,tags\n\ncats/one.jpg,cat\n;\n,cat\n", "line 6"),
        ("file_name,tags\none.jpg,cat\n", "give paths below the folder, such as cats/one or dogs/one"),
        ("file_name,tags\none,cat\n", "give paths below the folder, such as cats/one or dogs/one"),
        (
            "file_name,cat\ncats/one.jpg,yes\n",
            "in the column 'cat', which is no class then: call it tags",
        ),
        ("file_name,tags\ncats/one.jpg,\"['cat', 'dog']\"\n", "tags in brackets or quotes: write cat;dog"),
        ('file_name,tags\ncats/one.jpg,"[""cat""]"\n', "tags in brackets or quotes: write cat;dog"),
        ("file_name,tags\nraw.cr2,cat\n", "have a suffix that is not read: save them as JPEG or PNG"),
        ("file_name,cat,dog\ncats/one.jpg,1,0,1\n", "more cells than its header"),
        ("file_name,tags,note\ncats/one.jpg,cat,dog,by hand\n", "more cells than its header"),
        ("file_name,cat,dog\ncats/one.jpg,1\n", "fewer cells than its header"),
    ],
)
def test_what_is_wrong_with_a_table(root, text, words):
    Image.new("RGB", (8, 6)).save(root / "dogs/one.jpg")
    (root / "raw.cr2").write_bytes(b"what a camera writes")
    assert any(words in problem for problem in problems_of(root, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"picture_of,tags\na.jpg,cat\n", "call the one of the photographs file_name"),
        (b"file_name,tags\n", "no lines below its header"),
        (b"", "no lines below its header"),
        ("file_name,tags\nd\xe9.jpg,cat\n".encode("latin-1"), "is not UTF-8 text"),
        ("file_name\ttags\na.jpg\tcat\n".encode("utf-16"), "is not UTF-8 text"),
        (b"file_name,tags,Tags\na.jpg,cat,dog\n", "has the column 'tags' twice"),
        (b'file_name,tags\na.jpg,"cat\nb.jpg,dog\n', "unexpected end of data, in line 3"),
        (b'file_name,tags\na.jpg,"cat"s\nb.jpg,dog\n', "in line 2"),
        (b"PK\x03\x04 and more", "is a workbook of a spreadsheet: save it as CSV"),
    ],
)
def test_tables_that_cannot_be_read(root, text, words):
    with pytest.raises(WsssError, match=words):
        tags_of(root, text)


@pytest.mark.parametrize("name", ["one.jpg", "one", "./cats/one.jpg", "cats\\one"])
def test_a_photograph_goes_by_its_path_or_its_name_alone(root, name):
    assert tags_of(root, f"file_name,tags\n{name},cat\n") == {"cats/one": ("cat",)}


def test_columns_that_are_not_read_are_named(root, caplog):
    with caplog.at_level("INFO"):
        assert tags_of(root, "file_name,tags,Note,site\none.jpg,cat,x,y\n") == {"cats/one": ("cat",)}
    assert "not read are the columns Note, site" in caplog.text


@pytest.mark.parametrize(
    "text", ["cats/one.jpg\ncats/two.jpg\n", "nr,Photo,file_name\n1,x,cats/one.jpg\n2,y,cats/two.jpg\n"]
)
def test_a_list_names_all_of_its_photographs(root, text):
    (root / "list.csv").write_text(text)
    found = list(folder.named(str(root / "list.csv"), masks=root / "masks"))
    assert [name for name, _ in found] == ["cats/one", "cats/two"]


@pytest.mark.parametrize("text", ["gone.jpg\ncats/one.jpg\n", "nr,Photo\n1,cats/one.jpg\n"])
def test_a_list_that_does_not_say_which_column_is_refused(root, text):
    (root / "list.csv").write_text(text)
    with pytest.raises(WsssError, match="call the one of the photographs file_name"):
        list(folder.named(str(root / "list.csv"), masks=root / "masks"))


def test_links_to_folders_that_are_read_anyway_are_told(root):
    for name in ("x", "y", "cats/z"):
        (root / name).symlink_to(root)
    found = folder.read(root, table="", masks="")
    assert sorted(found.files.values()) == sorted(FILES)
    (problem,) = found.problems
    assert problem == "3 links lead to folders that are read anyway: remove them, such as 'x'; 'y'; 'cats/z'"
    assert folder.listing(root, table="", masks="", train="", extra="", val="", test="")


def test_folders_that_cannot_be_read_are_told(root, monkeypatch):
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("cats"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    (problem,) = folder.read(root, table="", masks="").problems
    assert problem.startswith("folders cannot be read: allow this user to, or move them away, such as ")
    assert "cats" in problem


def test_a_folder_that_is_gone_by_now_is_told(root):
    (root / "gone").symlink_to(root / "elsewhere")
    (root / "elsewhere").mkdir()
    place = folder._place

    def gone(path):
        if path.name == "gone":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return place(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "_place", gone)
        (problem,) = folder.read(root, table="", masks="").problems
    assert "folders cannot be read" in problem and "gone" in problem


@pytest.mark.parametrize("name", [b"a\rb.jpg", b"a\nb.jpg", b"a\xffb.jpg", b"c\xff/b.jpg"])
def test_names_that_no_table_can_hold_are_told(root, name):
    path = os.fsencode(root) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 (bytes)
    shutil.copy(root / "cats/one.jpg", path)
    (problem,) = folder.read(root, table="", masks="").problems
    assert problem.startswith("names of photographs have line ends or bytes that are no UTF-8: rename them")
    assert problem.isascii()
    assert folder.listing(root, table="", masks="", train="", extra="", val="", test="")


def test_a_link_to_nothing_is_told_by_the_one_who_reads_it(root):
    (root / "cats/gone.jpg").symlink_to(root / "nowhere")
    assert "cats/gone" in folder.read(root, table="", masks="").files
    assert folder.listing(root, table="", masks="", train="", extra="", val="", test="")


def test_folders_that_hold_no_photographs(tmp_path):
    with pytest.raises(WsssError, match="is not a folder"):
        folder.read(tmp_path / "gone", table="", masks="")
    with pytest.raises(WsssError, match="holds no photographs"):
        folder.read(tmp_path, table="", masks="")


def test_splits_by_lists_by_share_and_without(root):
    found = folder.read(root, table="", masks="")
    (root / "held_out.txt").write_text("cats/one.jpg\n写真\n", encoding="utf-8")
    tagged = ["cats/one", "cats/two", "dogs/train_00002", "dogs/train_00002 (2)"]

    def splits(**changes) -> dict[str, str]:
        options = dict(train="", extra="", val="", test="", val_share=0, masks="") | changes
        made, problems = folder.splits(found, **options)
        assert problems == []
        return made

    assert splits() == dict.fromkeys(tagged, "train")
    assert splits(val="held_out") == {"写真": "val", "cats/one": "val"} | dict.fromkeys(tagged[1:], "train")
    assert splits(test="held_out") == {"写真": "test", "cats/one": "test"} | dict.fromkeys(tagged[1:], "train")
    halves = splits(val_share=0.5)
    assert sorted(halves.values()) == ["train", "train", "val", "val"]
    assert halves == splits(val_share=0.5)
    (root / "trained.txt").write_text("cats/one\ncats/two\n", encoding="utf-8")
    listed = splits(train="trained", val_share=0.5)  # of the two others, one
    assert listed["cats/one"] == listed["cats/two"] == "train"
    assert sorted(listed.values()) == ["train", "train", "val"]


def test_a_list_that_names_what_is_not_there(root):
    (root / "held_out.txt").write_text("gone.jpg\n")
    _, problems = folder.splits(
        folder.read(root, table="", masks=""), train="", extra="", val="held_out", test="", val_share=0, masks=""
    )
    assert "are not in the folder: correct or remove them, such as gone.jpg" in problems[0]
    with pytest.raises(WsssError, match="other.txt does not exist"):
        folder.splits(
            folder.read(root, table="", masks=""), train="other", extra="", val="", test="", val_share=0, masks=""
        )


def test_val_is_drawn_of_photographs_with_masks_where_there_are_some(root):
    (root / "masks/cats").mkdir(parents=True)
    (root / "masks/dogs").mkdir()
    for name in ("cats/two.png", "dogs/train_00002.png"):
        Image.fromarray(np.full((6, 8), 1, np.uint8)).save(root / "masks" / name)
    found = folder.read(root, table="", masks="masks")
    options = {"train": "", "extra": "", "val": "", "test": "", "masks": "masks"}
    for share, count in ((0.25, 1), (0.5, 2), (0.75, 2)):
        splits, problems = folder.splits(found, **options, val_share=share)
        drawn = {image_id for image_id, split in splits.items() if split == "val"}
        assert problems == [] and len(drawn) == count and drawn <= {"cats/two", "dogs/train_00002"}


def test_an_image_of_val_without_a_mask_is_told_where_there_are_masks(root):
    (root / "masks/cats").mkdir(parents=True)
    Image.fromarray(np.full((6, 8), 1, np.uint8)).save(root / "masks/cats/one.png")
    found = folder.read(root, table="", masks="masks")
    classes = Classes.of({"cats": 1, "dogs": 2})
    splits = dict.fromkeys(found.tags, "val")
    told = [problem for _, problem in folder.rows(found, splits, classes=classes, masks="masks")]
    assert told[0] is None
    expected = "cats/two: an image of val has no mask in masks: put one there, or take it off the list"
    assert told[1] == expected and all(told[1:])
    assert not any(problem for _, problem in folder.rows(found, splits, classes=classes, masks=""))


def test_masks_are_told_by_their_names(root):
    for name in ("cats/one.png", "cats/one.bmp", "cats/two_mask.png"):
        (root / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 8), 1, np.uint8)).save(root / "masks" / name)
    found = folder.read(root, table="", masks="masks")
    assert folder.mask_problems(found, "masks") == [
        "masks that differ only in their suffix: rename one of each, such as cats/one.bmp and cats/one.png"
    ]
    (strange,) = folder.strange_masks(found, "masks")
    assert strange == "masks have the name of no photograph, and are left out, such as cats/two_mask.png"
    for name in ("cats/one.png", "cats/one.bmp"):
        (root / "masks" / name).unlink()
    (problem,) = folder.mask_problems(found, "masks")
    assert problem.startswith(
        "masks have no photograph's name, such as a.png for a.jpg: rename them, such as cats/two_m"
    )


def test_rows_and_their_masks(root):
    masks = root / "masks"
    (masks / "cats").mkdir(parents=True)
    Image.fromarray(np.full((6, 8), 1, np.uint8)).save(masks / "cats/one.PNG")
    found = folder.read(root, table="", masks="masks")
    assert not any(image_id.startswith("masks") for image_id in found.files)
    splits, _ = folder.splits(found, train="", extra="", val="", test="", val_share=0, masks="")
    classes = Classes.of({"cats": 1, "dogs": 2})
    rows = list(checks.checked(folder.rows(found, splits, classes=classes, masks="masks"), classes))
    assert [row.problems for row in rows] == [[]] * 4
    assert {row.row.id: row.row.mask for row in rows}["cats/one"] == masks / "cats/one.PNG"
    assert sum(row.row.mask is not None for row in rows) == 1


def test_large_photographs_are_copied(root, tmp_path):
    Image.new("RGB", (400, 100), "grey").save(root / "cats/large.jpg")
    found = folder.read(root, table="", masks="")
    classes = Classes.of({"cats": 1, "dogs": 2})
    copies = checks.Copies(tmp_path / "copies", 80)
    splits, _ = folder.splits(found, train="", extra="", val="", test="", val_share=0, masks="")
    rows = {
        checked.row.id: checked.row
        for checked in checks.checked(folder.rows(found, splits, classes=classes, masks=""), classes, copies)
    }
    large = rows.pop("cats/large")
    assert large.original == root / "cats/large.jpg"
    with Image.open(large.image) as picture:
        assert picture.size == (80, 20)
    assert all(row.original is None for row in rows.values())


def test_a_change_of_the_folder_is_noticed(root):
    options = dict(table="tags.csv", masks="", train="", extra="", val="", test="")
    digests = {folder.listing(root, **options)}
    (root / "tags.csv").write_text("file_name,tags\n")
    digests.add(folder.listing(root, **options))
    Image.new("RGB", (9, 9)).save(root / "new.png")
    digests.add(folder.listing(root, **options))
    (root / "cats/one.jpg").unlink()
    digests.add(folder.listing(root, **options))
    assert len(digests) == 4
    assert folder.listing(root, **options) in digests
