"""Which files `wsss predict` takes for photographs, and which it does not write over."""

import csv
import os
from pathlib import Path

import pytest
from new_photographs import NAMES, written
from PIL import Image

from wsss.commands.predict import predict
from wsss.runtime.errors import WsssError


def test_files_patterns_and_tables_name_photographs(tmp_path, photographs, network):
    path = network()
    (photographs / "list.csv").write_text("file_name,tags\none.png,\nsub folder/two (2).png,\n")
    predict(path, (str(photographs / "*.png"),), out=tmp_path / "pattern", crf=False)
    predict(path, (str(photographs / "list.csv"),), out=tmp_path / "table", crf=False)
    assert set(written(tmp_path / "pattern")) == {"one", "写真"}
    assert set(written(tmp_path / "table")) == {"one", "sub folder/two (2)"}
    with pytest.raises(WsssError, match="no photograph, folder or table, and no file matches it"):
        predict(path, (str(photographs / "gone*.png"),), out=tmp_path / "none")


def test_a_photograph_outside_of_the_tables_folder_goes_by_its_name(tmp_path, photographs, network):
    path, before = network(), (photographs / "one.png").read_bytes()
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "absolute.csv").write_text(f"file_name\n{photographs / 'one.png'}\n", encoding="utf-8")
    (tables / "relative.csv").write_text(f"file_name\n../{photographs.name}/one.png\n", encoding="utf-8")
    for name in ("absolute", "relative"):
        predict(path, (str(tables / f"{name}.csv"),), out=tmp_path / name, crf=False)
        assert set(written(tmp_path / name)) == {"one"}
    assert (photographs / "one.png").read_bytes() == before
    for wrong in (".", "/", "a\0b.png"):
        (tables / "wrong.csv").write_text(f'file_name\n"{wrong}"\n')
        with pytest.raises(WsssError, match=r"wrong\.csv names no photograph by"):
            predict(path, (str(tables / "wrong.csv"),), out=tmp_path / "wrong")


@pytest.mark.parametrize("name", [b"a\xffb.png", b"a\nb.png"])
def test_a_name_that_no_table_can_hold_is_refused_before_any_work(tmp_path, photographs, network, name):
    odd = tmp_path / os.fsdecode(name)
    odd.write_bytes((photographs / "one.png").read_bytes())
    for word in (odd, tmp_path / "a*b.png"):
        with pytest.raises(WsssError, match="has line ends or bytes that are no UTF-8 in its name: rename it"):
            predict(network(), (str(word),), out=tmp_path / "out")


def test_two_photographs_with_one_name_are_both_named(tmp_path, photographs, network):
    other = tmp_path / "other/one.png"
    other.parent.mkdir()
    Image.new("RGB", (8, 8)).save(other)
    with pytest.raises(WsssError, match="would both have the mask one.png"):
        predict(network(), (str(photographs), str(other)), out=tmp_path / "out")


def test_no_photograph_and_no_table_is_written_over(tmp_path, photographs, network):
    path, before = network(), {file: file.read_bytes() for file in photographs.rglob("*.png")}
    (photographs / "areas.csv").write_text("file_name\none.png\n")
    (tmp_path / "link").symlink_to(photographs)
    for words, out in (
        ((photographs,), photographs),
        ((photographs,), tmp_path / "link"),
        ((photographs / "one.png",), photographs),
        ((photographs / "areas.csv",), photographs),
    ):
        with pytest.raises(WsssError, match="holds photographs, such as .*: give another folder by --out"):
            predict(path, tuple(map(str, words)), out=out, crf=False)
    assert {file: file.read_bytes() for file in photographs.rglob("*.png")} == before
    assert (photographs / "areas.csv").read_text() == "file_name\none.png\n"


def test_masks_of_an_earlier_call_are_no_photographs(tmp_path, photographs, network):
    path = network()
    for _ in range(2):
        predict(path, (str(photographs),), out=photographs / "masks", crf=False)
    assert set(written(photographs / "masks")) == set(NAMES)


def test_masks_of_an_earlier_call_to_another_folder_are_no_photographs_either(tmp_path, photographs, network):
    path = network()
    before = sorted(map(str, photographs.rglob("*.png")))
    predict(path, (str(photographs),), out=photographs / "masks", crf=False, overlays=True)
    for number, words in enumerate(
        ((photographs,), (photographs / "**/*.png",), (*photographs.glob("*.png"), *photographs.glob("[ms]*")))
    ):
        out = photographs / f"again {number}"
        for _ in range(2):
            predict(path, tuple(map(str, words)), out=out, crf=False)
            assert {Path(name).name for name in written(out)} == {Path(name).name for name in NAMES}
            with (out / "areas.csv").open(encoding="utf-8") as table:
                assert sorted(row["file_name"] for row in csv.DictReader(table)) == before


def test_masks_of_a_call_that_was_killed_are_no_photographs(photographs, network):
    for word in (photographs, photographs / "**/*.png"):
        out = photographs / "masks"
        predict(network(), (str(word),), out=out, crf=False)
        found = set(written(out))
        (out / "areas.csv").unlink()
        predict(network(), (str(word),), out=out, crf=False)
        assert set(written(out)) == found and (out / "areas.csv").exists()
        for path in out.rglob("*.png"):
            path.unlink()


def test_masks_are_not_written_among_photographs(tmp_path, photographs, network):
    for path in photographs.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    before = set(tmp_path.rglob("*"))
    for word, out in (
        (photographs, photographs),
        (photographs, photographs / "sub folder"),
        (photographs / "one.jpg", photographs),
        (photographs / "*.jpg", photographs),
    ):
        with pytest.raises(WsssError, match=r"holds photographs, such as .*\.jpg, from which masks could not be told"):
            predict(network(), (str(word),), out=out, crf=False)
    assert {path for path in set(tmp_path.rglob("*")) - before if path.is_file()} == {network()}


def test_what_may_be_work_by_hand_is_not_written_over(tmp_path, photographs, network):
    path, out = network(), tmp_path / "out"
    predict(path, (str(photographs / "one.png"),), out=out, crf=False, overlays=True)
    predict(path, (str(photographs / "one.png"),), out=out, crf=False, overlays=True)
    for name in ("one.png", "one.overlay.jpg"):
        (tmp_path / "own").mkdir(exist_ok=True)
        Image.open(out / name).save(tmp_path / "own" / name)
        with pytest.raises(WsssError, match=f"{name} is there already, is not what wsss has written"):
            predict(path, (str(photographs / "one.png"),), out=tmp_path / "own", crf=False, overlays=True)
        (tmp_path / "own" / name).unlink()
    (tmp_path / "own/areas.csv").write_text("file_name,tags\none.png,cat\n")
    with pytest.raises(WsssError, match=r"areas\.csv is there already, and is no table of areas"):
        predict(path, (str(photographs / "one.png"),), out=tmp_path / "own", crf=False)


def test_a_file_beside_its_photograph_is_passed_over_and_listed(tmp_path, photographs, network, caplog):
    for name in ("one.json", "one.cr2", "Thumbs.db"):
        (photographs / name).write_bytes(b"no picture")
    words = tuple(map(str, sorted(path for path in photographs.iterdir() if path.is_file())))
    for number, given in enumerate((words, words[::-1], (str(photographs / "*.*"),))):
        caplog.clear()
        with pytest.raises(SystemExit) as ended:
            predict(network(), given, out=tmp_path / f"out {number}", crf=False)
        assert ended.value.code == 1
        assert set(written(tmp_path / f"out {number}")) == {"one", "写真"}
        for name in ("one.json", "one.cr2"):
            assert f"{name} is passed over: the mask one.png is that of {photographs / 'one.png'}" in caplog.text
        assert "Thumbs.db cannot be read as a picture" in caplog.text
        assert "3 of 5 photographs could not be labelled" in caplog.text
    Image.new("RGB", (8, 8)).save(photographs / "one.jpg")
    with pytest.raises(WsssError, match="would both have the mask one.png"):
        predict(network(), (str(photographs / "*.*"),), out=tmp_path / "out")


def test_a_long_name_is_no_obstacle_and_one_too_long_for_a_mask_is_listed(tmp_path, photographs, network, caplog):
    long = "long" * 62  # 248 bytes: a mask's name has 252, that of an overlay 260
    (photographs / "one.png").rename(photographs / f"{long}.png")
    predict(network(), (str(photographs),), out=tmp_path / "masks", crf=False)
    assert set(written(tmp_path / "masks")) == {long, *NAMES[1:]}
    with pytest.raises(SystemExit) as ended:
        predict(network(), (str(photographs),), out=tmp_path / "out", crf=False, overlays=True)
    assert ended.value.code == 1
    assert set(written(tmp_path / "out")) == set(NAMES[1:])
    assert f"{long}.png: its name is too long for that of a mask: give it a shorter one" in caplog.text
    assert "1 of 3 photographs could not be labelled" in caplog.text
