"""What changes the digest of a stage's code and of a run, and what does not."""

import shutil

import pytest

from wsss.cli import STAGES
from wsss.runtime import provenance

SMALL = {
    "__init__.py": '"""A package."""\n',
    "runtime/errors.py": "class WsssError(Exception):\n    pass\n",
    "runtime/progress.py": "def track(items):\n    return items\n",
    "stages/__init__.py": "",
    "stages/one.py": (
        "from pathlib import Path\n\n"
        "def one(*, image: Path) -> int:\n"
        '    """Write one."""\n'
        "    from wsss import middle\n"
        "    from wsss.runtime.progress import track\n\n"
        "    return middle.doubled(2)  # as it is\n"
    ),
    "stages/two.py": "def two():\n    return 2\n",
    "middle.py": "import math\n\nimport wsss.deep\nfrom wsss.pack import INNER\n\ndef doubled(x):\n    return 2 * x\n",
    "deep.py": "from wsss.runtime.errors import WsssError\n\nNUMBER = 1\n",
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
        ("runtime/errors.py", "pass", "text = 1"),
        ("runtime/progress.py", "items\n", "list(items)\n"),
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


def digests():
    return {stage: provenance.code(stage) for stage in STAGES}


def test_every_stage_has_a_digest_of_its_own():
    found = digests()
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in found.values())
    assert len(set(found.values())) == len(STAGES)
    assert digests() == found


REFINED = {"affinity_labels", "pseudo_masks", "crf", "scores", "masks", "relabels", "sec_segmenter", "lcrf_segmenter"}
SQUARE = {"sec_segmenter", "lcrf_segmenter"}
TRAINED = {"classifier", "affinity_net", "psa_segmenter", "sec_segmenter", "lcrf_segmenter"}
WITH_A_NETWORK = TRAINED | {"cams", "saliency", "scores", "pseudo_masks", "relabels"}


def add_a_line(path):
    path.write_text(path.read_text() + "\n\nADDED = 1\n")


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("psa/affinity", {"affinity_labels", "affinity_net", "pseudo_masks"}),
        ("psa/random_walk", {"pseudo_masks"}),
        ("sec/saliency", {"saliency"}),
        ("sec/seeds", {"seeds"}),
        ("sec/losses", {"sec_segmenter", "lcrf_segmenter"}),
        ("lcrf/bound", {"lcrf_segmenter"}),
        ("lcrf/likelihoods", {"lcrf_segmenter"}),
        ("crf/lattice", REFINED),
        ("crf/exact", REFINED),
        ("crf/convcrf", REFINED),
        ("crf/fit", {"crf"}),
        ("maths/metrics", {"miou", "cue_scores", "examples", "crf"}),
        ("maths/pooling", {"classifier", "cams", "saliency", "scores", "relabels", *SQUARE}),
        ("options/sec", {"sec_segmenter", "lcrf_segmenter"}),
        ("options/lcrf", {"lcrf_segmenter"}),
        ("options/training", TRAINED),
        ("options/network", WITH_A_NETWORK),
        ("networks/classifier", {"classifier", "cams", "saliency", "scores", "relabels", *SQUARE}),
        ("networks/affinity_net", {"affinity_net", "pseudo_masks"}),
        ("networks/segmenter", {"psa_segmenter", "sec_segmenter", "lcrf_segmenter", "scores", "relabels"}),
        ("networks/network", WITH_A_NETWORK),
        ("networks/file", WITH_A_NETWORK),
        ("networks/backbones/vgg", WITH_A_NETWORK),
        ("networks/backbones/timm", WITH_A_NETWORK),
        ("training/loop", TRAINED),
        ("training/augment", TRAINED),
        ("training/lcrf_evidence", {"lcrf_segmenter"}),
        ("training/sec_constraint", {"sec_segmenter"}),
        ("results/confident", {"affinity_labels"}),
        ("results/panels", {"examples"}),
        ("results/figures", {"examples"}),
        ("results/fitted_crf", {"masks", "crf", "relabels"}),
        ("results/image_prior", {"scores", "relabels"}),
        ("results/feature_crf", {"scores", "relabels"}),
        ("results/fit_data", {"crf"}),
        ("datasets/shapes", {"images", "training_images"}),
        ("stages/cams", {"cams"}),
        ("stores/store", set(STAGES) - {"ablation", "comparison", "images", "training_images"}),
        ("stores/kinds", set()),
        ("stores/localization_cues", set()),
        ("commands/inspect", set()),
        ("cli", set()),
    ],
)
def test_which_stages_an_edit_reruns(package, name, stages):
    before = digests()
    add_a_line(package / f"{name}.py")
    assert {stage for stage, digest in digests().items() if digest != before[stage]} == stages


@pytest.mark.parametrize("name", sorted(path.stem for path in (provenance.PACKAGE / "runtime").glob("*.py")))
def test_an_edit_of_the_runtime_reruns_nothing(package, name):
    before = digests()
    add_a_line(package / f"runtime/{name}.py")
    assert digests() == before


METHOD = {
    "options/scribbles.py": "from dataclasses import dataclass\n\n@dataclass\nclass Scribbles:\n    width_px: float\n",
    "scribbles/__init__.py": '"""Scribbles."""\n',
    "scribbles/losses.py": "from wsss.maths.pooling import one_hot\n\ndef loss(labels):\n    return one_hot(labels)\n",
    "networks/scribbler.py": (
        "from wsss.networks.network import Network\n\nclass Scribbler(Network):\n    kind = 'scribbler'\n"
    ),
    "stages/scribbles_segmenter.py": (
        "from wsss.options.scribbles import Scribbles\n\n"
        "def scribbles_segmenter(*, scribbles: Scribbles) -> None:\n"
        "    from wsss.networks.scribbler import Scribbler\n"
        "    from wsss.scribbles.losses import loss\n"
        "    from wsss.stores import store\n\n"
        "    loss(Scribbler(), store)\n"
    ),
}
"""A method of its own room, with options, a network and a stage."""


def write(package, name):
    assert not (package / name).exists()
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text(METHOD[name])


def name_a_kind(package):
    replace(
        package / "stores/kinds.py", "KINDS = {\n", 'KINDS = {\n    "scribbles": "labels: uint8 (height, width)",\n'
    )


@pytest.mark.parametrize("name", METHOD)
def test_a_new_file_reruns_nothing(package, name):
    before = digests()
    write(package, name)
    assert digests() == before


def test_a_new_kind_of_store_reruns_nothing(package):
    before = digests()
    name_a_kind(package)
    assert digests() == before


def test_a_new_method_reruns_nothing_and_has_a_digest_of_its_own(package):
    before = digests()
    for name in METHOD:
        write(package, name)
    name_a_kind(package)
    replace(package / "cli.py", '    "gather": gather,\n', '    "gather": gather,\n    "scribbles_segmenter": None,\n')
    assert digests() == before
    first = provenance.code("scribbles_segmenter")
    assert first not in before.values()
    for name in set(METHOD) - {"scribbles/__init__.py"}:
        add_a_line(package / name)
        assert provenance.code("scribbles_segmenter") != first
        first = provenance.code("scribbles_segmenter")
    assert digests() == before


SOURCES = {
    "f-strings": (
        'a = f"x{b!r:>{w}}y" f"{c=}" "z" f"{d:}" f"{{}}{e:.2f}" f"" f"{f:{g}x}" f"{h!s}"\n',
        "c57ce6942a14e129",
    ),
    "specs of f-strings": (
        'a = f"{x:a\\N{DIGIT ONE}b}" f"{x:{a}}" f"{x:{{}}}" f"{x!r:{a}{b}c{d}}" f"{x = !r:^20}"\n',
        "d80b41ef811065e1",
    ),
    "annotations": (
        "x: int | None = None\ndef f(a: 'A', /, *b: int, c: list[int] = [], **d: str) -> tuple[int, ...]: ...\n",
        "e908ac9d8210f912",
    ),
    "lambda": (
        "f = lambda x, /, y=1, *z, k, l=2, **m: (x, *z)\n",
        "7fd7494b546333d1",
    ),
    "match": (
        "match x:\n"
        "    case None | True: pass\n"
        "    case [1, *r] if r: pass\n"
        "    case {'a': A(b=2), **k}: pass\n"
        "    case -1.5 as q: pass\n"
        "    case _: pass\n",
        "d4499bd2093e3048",
    ),
    "decorators and async": (
        "@d\n"
        "@e(1)\n"
        "class A(B, metaclass=C):\n"
        "    @property\n"
        "    async def f(self):\n"
        "        async with a as b, c: await d\n"
        "        async for i in j: yield i\n"
        "        return [x async for x in y if await z]\n",
        "14f6bd60fd9664ff",
    ),
    "walrus": (
        "if (n := len(a)) > 1 and not b or c: print(n)\n",
        "92e4ef1027e0e848",
    ),
    "constants": (
        "x = (1, 1.0, 1e100, 1e400, 0x1f, 1_000, 1j, True, False, None, ..., b'a\\x00', '\xe9\\u2028', -1, 2**70)\n",
        "c19f93193b6af0dd",
    ),
    "characters of a later Unicode": (
        "x = '\U0001fae8 \U0001ccd6 \u0378'\n",
        "f09f7318dacba5c0",
    ),
    "stars": (
        "f(*a, b, **c, d=1)\n{**a, 'b': 1}\n{*a}\n[*a, b]\na[1:2, ::3, ...]\na[*b]\n",
        "399f1ffac3605971",
    ),
    "comprehensions": (
        "[x for x in y if z for w in v]\n{a: b for a, b in c}\n(x for x in y)\n{x for x in y}\n",
        "8f495be766d36119",
    ),
    "try": (
        "try: pass\nexcept (A, B) as e: raise C from e\nexcept: pass\nelse: pass\nfinally: pass\n",
        "c30bcfe338e1e66b",
    ),
    "try with groups": (
        "try:\n    pass\nexcept* A as e:\n    raise\n",
        "260b892e92dbc9d5",
    ),
    "statements": (
        "def f():\n"
        "    global a\n"
        "    del c, d[0]\n"
        "    assert x, 'y'\n"
        "    import a.b as c\n"
        "    while 1:\n"
        "        break\n"
        "    else:\n"
        "        pass\n"
        "    with (a as b, c):\n"
        "        a, *b = c\n"
        "    a += 1; a @= b\n"
        "    return\n",
        "fce25877bdb3accc",
    ),
    "docstrings": (
        "'doc'\ndef f():\n    'doc'\nclass A:\n    'doc'\n    x = 1\n",
        "da673547344289b4",
    ),
}
"""Sources of a stage, and the digests of their code."""


@pytest.mark.parametrize("name", SOURCES)
def test_the_digest_is_the_same_in_every_version_of_python(small, name):
    # found by Python 3.11.7, 3.12.1 and 3.13.0, whose syntax trees differ
    source, digest = SOURCES[name]
    (small / "stages/two.py").write_text(source)
    assert provenance.code("two") == digest


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


def test_a_module_of_many_stages_is_parsed_once(small):
    provenance._parsed.cache_clear()
    assert provenance.code("one") == provenance.code("one") != provenance.code("two")
    assert provenance._parsed.cache_info().misses == 6  # of one: itself, middle, deep and pack's two; and two
