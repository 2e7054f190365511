"""A look at a data set before a run: errors in one line a kind, and warnings."""

import shutil

import pytest
from PIL import Image
from voc_layout import IDS, TAGS, layout, write_list, write_tags

from wsss.commands.check import check
from wsss.runtime.errors import WsssError


@pytest.fixture
def data(tmp_path):
    """A small data set, and a configuration of it."""
    root = layout(tmp_path / "data")
    overlay = f"images: {{dataset: voc, root: {root}, classes: [cat=8, dog=12], extra: more}}\n"
    (tmp_path / "mine.yaml").write_text(overlay)
    return root


@pytest.fixture
def printed(data, tmp_path, capsys):
    """A function that checks the data set; returns what it says."""

    def run(more=""):
        (tmp_path / "more.yaml").write_text(more or "{}")
        check(configfile=(tmp_path / "mine.yaml", tmp_path / "more.yaml"))
        return capsys.readouterr().out

    return run


def test_a_sound_data_set_is_counted_and_nothing_written(data, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} | {tmp_path.joinpath("more.yaml").name}
    lines = printed().splitlines()
    assert lines[:3] == ["train: 2 images", "extra: 1 images", "val: 1 images"]
    assert "tags of the training images: cat 3, dog 1" in lines
    after = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert after == {str(path) for path in before}


def test_a_class_that_no_training_image_shows(data, printed):
    assert "warning: no training image shows cow: nothing can be learned" in printed(
        "images: {classes: [cat=8, dog=12, cow=10]}"
    )


def test_a_class_that_every_training_image_shows(data, printed):
    assert "warning: every training image shows cat" in printed()


def test_the_same_photograph_in_train_and_val(data, printed):
    for name in ("2007_000001", "2008_000003"):
        Image.new("RGB", (8, 6), "red").save(data / f"JPEGImages/{name}.jpg")
    for name, colour in (("2007_000002", "blue"), ("2009_000004", "white")):
        Image.new("RGB", (8, 6), colour).save(data / f"JPEGImages/{name}.jpg")
    expected = (
        "warning: 1 photographs are trained on and held out, byte for byte: 2007_000001 (train) and 2008_000003 (val)"
    )
    assert expected in printed()
    Image.new("RGB", (8, 6), "black").save(data / "JPEGImages/2008_000003.jpg")
    assert "byte for byte" not in printed()


def test_a_large_photograph_unless_copies_are_used(data, printed):
    Image.new("RGB", (1200, 10), "blue").save(data / "JPEGImages/2009_000004.jpg")
    assert "warning: 1 photographs exceed 1000 px" in printed()
    assert "exceed" not in printed("images: {longest_px: 500}")


def test_a_wrong_class_in_many_lines_is_one_line(data, printed):
    ids = [f"2010_{number:06}" for number in range(50)]
    for image_id in ids:
        shutil.copy(data / "JPEGImages/2009_000004.jpg", data / f"JPEGImages/{image_id}.jpg")
    write_list(data, "more", *IDS["more"], *ids)
    write_tags(data, TAGS | dict.fromkeys(ids, "cta") | {"2007_000001": "dgo"})
    with pytest.raises(WsssError) as caught:
        printed()
    title, *lines = str(caught.value).splitlines()
    assert "(2 found)" in title
    (many,) = [line for line in lines if "unknown class cta" in line]
    assert "50 times:" in many
    assert f"(such as {ids[0]}; {ids[1]}; {ids[2]}, …)" in many
    assert any("2007_000001: unknown class dgo" in line for line in lines)


def test_a_wrong_key_is_named(data, printed):
    with pytest.raises(WsssError, match="longest"):
        printed("images: {longest: 5}")


def test_there_is_nothing_to_check_of_drawn_shapes():
    with pytest.raises(WsssError, match="shapes is drawn by the run itself"):
        check()
