"""What changes the digest of a stage's code, of a run and of a folder, and what does not."""

import shutil

import pytest

from wsss import provenance
from wsss.cli import STAGES

SMALL = {
    "__init__.py": '"""A package."""\n',
    "errors.py": "class WsssError(Exception):\n    pass\n",
    "progress.py": "def track(items):\n    return items\n",
    "stages/__init__.py": "",
    "stages/one.py": (
        "from pathlib import Path\n\n"
        "def one(*, image: Path) -> int:\n"
        '    """Write one."""\n'
        "    from wsss import middle\n"
        "    from wsss.progress import track\n\n"
        "    return middle.doubled(2)  # as it is\n"
    ),
    "stages/two.py": "def two():\n    return 2\n",
    "middle.py": "import math\n\nimport wsss.deep\nfrom wsss.pack import INNER\n\ndef doubled(x):\n    return 2 * x\n",
    "deep.py": "from wsss.errors import WsssError\n\nNUMBER = 1\n",
    "pack/__init__.py": "from wsss.pack.inner import INNER\n",
    "pack/inner.py": "INNER = 3\n",
    "apart.py": "NUMBER = 1\n",
}
"""one imports middle, middle imports deep and pack, pack imports its inner; nothing imports apart."""


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The small package in place of wsss."""
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of wsss in its place."""
    copy = shutil.copytree(provenance.PACKAGE, tmp_path / "wsss", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    return copy


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stages/one.py", "doubled(2)", "doubled(3)"),
        ("middle.py", "2 * x", "x * 2"),
        ("middle.py", "def doubled(x)", "def doubled(x=1)"),
        ("deep.py", "NUMBER = 1", "NUMBER = 2"),
        ("pack/__init__.py", "import INNER", "import INNER as OTHER"),
        ("pack/inner.py", "INNER = 3", 'INNER = "3"'),
    ],
)
def test_an_edit_of_what_is_imported_changes_it(small, name, old, new):
    before = provenance.code("one"), provenance.code("two")
    replace(small / name, old, new)
    assert provenance.code("one") != before[0]
    assert provenance.code("two") == before[1]
    replace(small / name, new, old)
    assert provenance.code("one") == before[0]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stages/one.py", "# as it is", "# as it was"),
        ("stages/one.py", "  # as it is", ""),
        ("stages/one.py", '"""Write one."""', '"""Write one,\n\n    or two.\n    """'),
        ("stages/one.py", '    """Write one."""\n', ""),
        ("stages/one.py", "middle.doubled(2)", "(\n        middle.doubled(\n            2,\n        )\n    )"),
        ("middle.py", "import math\n", '"""Now with a docstring."""\n\nimport math\n\n\n'),
        ("deep.py", "NUMBER = 1", 'NUMBER = 1\n"""The number."""'),
        ("errors.py", "pass", "text = 1"),
        ("progress.py", "items\n", "list(items)\n"),
        ("apart.py", "1", "2"),
        ("stages/two.py", "2", "3"),
    ],
)
def test_what_decides_no_number_does_not(small, name, old, new):
    before = provenance.code("one")
    replace(small / name, old, new)
    assert provenance.code("one") == before


def test_a_module_that_is_no_longer_imported_counts_no_more(small):
    before = provenance.code("one")
    replace(small / "middle.py", "import wsss.deep\n", "")
    without = provenance.code("one")
    assert without != before
    replace(small / "deep.py", "1", "2")
    assert provenance.code("one") == without


def test_every_stage_has_a_digest_of_its_own():
    digests = {stage: provenance.code(stage) for stage in STAGES}
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in digests.values())
    assert len(set(digests.values())) == len(STAGES)
    assert digests == {stage: provenance.code(stage) for stage in STAGES}


REFINED = {"affinity_labels", "pseudo_masks", "crf", "masks", "sec_segmenter", "lcrf_segmenter"}


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("random_walk", {"pseudo_masks"}),
        ("confident", {"affinity_labels"}),
        ("crf/lattice", REFINED),
        ("crf/exact", REFINED),
        ("saliency", {"saliency"}),
        ("seeds", {"seeds"}),
        ("sec_losses", {"sec_segmenter", "lcrf_segmenter"}),
        ("lcrf_losses", {"lcrf_segmenter"}),
        ("likelihoods", {"lcrf_segmenter"}),
        ("panels", {"examples"}),
        ("figures", {"examples"}),
        ("affinity", {"affinity_labels", "affinity_net", "pseudo_masks"}),
        ("stages/cams", {"cams"}),
        ("metrics", {"miou", "cue_scores", "examples", "crf"}),
        ("fitted_crf", {"masks", "crf"}),
        ("crf_teacher", {"crf"}),
        ("data/shapes", {"images"}),
        ("errors", set()),
        ("progress", set()),
        ("machine", set()),
        ("provenance", set()),
        ("cli", set()),
        ("inspection", set()),
    ],
)
def test_which_stages_an_edit_reruns(package, name, stages):
    before = {stage: provenance.code(stage) for stage in STAGES}
    path = package / f"{name}.py"
    path.write_text(path.read_text() + "\n\nADDED = 1\n")
    assert {stage for stage in STAGES if provenance.code(stage) != before[stage]} == stages


@pytest.mark.parametrize("name", ["networks", "training", "transforms", "backbones/vgg", "backbones/timm", "options"])
def test_an_edit_of_what_trains_reruns_all_that_train(package, name):
    training = ["classifier", "affinity_net", "psa_segmenter", "sec_segmenter", "lcrf_segmenter"]
    before = [provenance.code(stage) for stage in training]
    path = package / f"{name}.py"
    path.write_text(path.read_text() + "\n\nADDED = 1\n")
    assert all(provenance.code(stage) != old for stage, old in zip(training, before, strict=True))


def test_a_run_is_its_code_options_and_inputs(small):
    def run(stage="one", options=None, inputs=None):
        return provenance.of_run(stage, options or {"epochs": 2, "rate": 0.1}, inputs or {"images.csv": "abc"})

    first = run()
    assert run(options={"rate": 0.1, "epochs": 2}) == first
    others = [
        run(stage="two"),
        run(options={"epochs": 3, "rate": 0.1}),
        run(options={"epochs": 2, "rate": 0.1, "seed": 0}),
        run(inputs={"images.csv": "abd"}),
        run(inputs={"images.csv": "abc", "cams.h5": "abc"}),
    ]
    replace(small / "deep.py", "1", "2")
    assert len({first, *others, run()}) == 7


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


def test_a_module_of_many_stages_is_parsed_once(small):
    provenance._parsed.cache_clear()
    assert provenance.code("one") == provenance.code("one") != provenance.code("two")
    assert provenance._parsed.cache_info().misses == 6  # of one: itself, middle, deep and pack's two; and two
