"""What changes the digest of a data set's folder, and what does not."""

import os

from wsss.runtime import provenance

PARTS = ["JPEGImages", "lists/train.txt", "lists/val.txt", "Annotations"]


def dataset(root):
    files = {"JPEGImages/a.jpg": "12345", "lists/train.txt": "a\n", "lists/val.txt": "b\n", "Annotations/a.xml": "<a/>"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def listing(root):
    return provenance.listing(root, PARTS)


def test_listing_sees_what_is_read(tmp_path):
    root = dataset(tmp_path / "data")
    found = [listing(root)]
    (root / "JPEGImages/b.jpg").write_text("1")
    found.append(listing(root))
    (root / "JPEGImages/b.jpg").write_text("12")
    found.append(listing(root))
    (root / "JPEGImages/b.jpg").rename(root / "JPEGImages/c.jpg")
    found.append(listing(root))
    for name in ("lists/train.txt", "Annotations/a.xml"):
        (root / name).write_text((root / name).read_text().replace("a", "c"))  # as long as before
        found.append(listing(root))
    (root / "lists/val.txt").unlink()
    found.append(listing(root))
    (root / "Annotations/a.xml").unlink()
    (root / "Annotations").rmdir()
    found.append(listing(root))
    assert len(set(found)) == len(found)


def test_listing_sees_nothing_else(tmp_path):
    root = dataset(tmp_path / "data")
    first = listing(root)
    for name in ("results/cams.h5", "JPEGImages/.DS_Store", "JPEGImages/old/a.jpg", "lists/other.txt", "masks/a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    assert listing(root) == first


def test_listing_follows_links(tmp_path):
    root, images = dataset(tmp_path / "data"), tmp_path / "elsewhere"
    first = listing(root)
    (root / "JPEGImages").rename(images)
    (root / "JPEGImages").symlink_to(images)
    assert listing(root) == first
    (images / "b.jpg").symlink_to(images / "a.jpg")
    assert listing(root) != first


def test_listing_waits_for_no_pipe(tmp_path):
    root = dataset(tmp_path / "data")
    (root / "lists/val.txt").unlink()
    absent = listing(root)
    os.mkfifo(root / "lists/val.txt")
    assert listing(root) == absent  # the stage refuses it


def test_listing_of_the_same_files_is_the_same(tmp_path):
    root = dataset(tmp_path / "data")
    first = listing(root)
    assert listing(dataset(tmp_path / "copy")) == first
    (root / "JPEGImages/a.jpg").touch()
    assert listing(root) == first
    (root / "JPEGImages/b.jpg").write_text("1")
    (root / "JPEGImages/b.jpg").unlink()
    assert listing(root) == first


def test_listing_of_no_folder(tmp_path):
    assert listing(tmp_path / "gone") == f"no folder {tmp_path / 'gone'}"
