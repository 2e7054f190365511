"""Holds the imports of the package to an order, which is read from its syntax: nothing is imported here."""

import ast
import functools
import itertools
import re
import sys
import tomllib
from importlib import metadata

import pytest

from wsss.runtime import provenance

PACKAGE = provenance.PACKAGE

ROOMS = (
    "runtime",
    "labels",
    "options",
    "maths",
    "crf",
    "psa",
    "sec",
    "lcrf",
    "stores",
    "datasets",
    "exchange",
    "networks",
    "results",
    "training",
    "report",
    "commands",
    "stages",
    "cli",
    "__main__",
)
"""Folders and single modules; each imports only those above it in this list. A new room is put in its place here."""

METHODS = ("psa", "sec", "lcrf")
"""A room a paper. The CRF is no method: several of them use it."""

MATHS = ("maths", "crf", *METHODS)
"""Plain functions of tensors: no paths, no stores, no networks."""

WARM_START = {"lcrf.bound": {"sec.losses"}}
"""What a method imports of another: the latent CRF may begin with SEC's loss at the seeds."""

HEAVY = {"torch", "torchvision", "timm", "h5py", "PIL", "scipy", "matplotlib", "lightning_fabric"}
"""Packages that take long to import: `wsss --help` waits for none of them."""


def modules():
    """All modules of the package by name, such as crf.exact; the package itself is left out."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found.pop("")
    return found


MODULES = modules()


@functools.cache
def imports(module, *, at_the_top=False):
    """All that a module imports, as full names; with at_the_top only what is imported as soon as it is."""
    tree = ast.parse(MODULES[module].read_text())
    names = set()
    for node in statements_at_the_top(tree) if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def statements_at_the_top(node):
    """What runs on import: all but the bodies of functions, and what stands there for checkers of types."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from statements_at_the_top(child)


def own(module, *, at_the_top=False):
    """The modules of ours that a module imports, such as crf.exact."""
    found = set()
    for name in imports(module, at_the_top=at_the_top):
        parts = name.split(".")
        if parts[0] == "wsss":
            # of wsss.crf.exact.marginals, the longest part that is a module
            found |= {next(m for end in range(len(parts), 1, -1) if (m := ".".join(parts[1:end])) in MODULES)}
    return found


def room(module):
    return module.split(".")[0]


def all_of(*rooms):
    return sorted(module for module in MODULES if room(module) in rooms)


def test_every_module_has_its_room():
    assert sorted(ROOMS) == sorted({room(module) for module in MODULES}), "put the new room in its place in ROOMS"


def test_the_imports_are_found_at_all():
    found = {"psa.affinity", "psa.random_walk", "stores.store", "results.refinement", "options.crf", "networks.file"}
    assert found <= own("stages.pseudo_masks")
    assert own("stages.pseudo_masks", at_the_top=True) == {"options.crf", "options.flat"}
    assert own("maths.cues") == {"maths.grid"}
    assert "crf.exact" in own("crf")
    assert "numpy" in {name.split(".")[0] for name in imports("maths.metrics", at_the_top=True)}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_rooms_below_its_own(module):
    below = ROOMS[: ROOMS.index(room(module)) + 1]
    above = [name for name in own(module) if room(name) not in below]
    assert above == [], f"{module} imports {', '.join(above)}, which is not below it"


def test_no_two_modules_import_each_other():
    everything = {module: own(module) - {module} for module in MODULES}
    mutual = {(one, other) for one, found in everything.items() for other in found if one in everything[other]}
    assert mutual == set()


@pytest.mark.parametrize("module", all_of(*MATHS))
def test_the_maths_knows_no_files_and_no_networks(module):
    others = {name for name in own(module) if room(name) not in (*MATHS, "labels", "options")}
    assert others <= {"runtime.errors"}


@pytest.mark.parametrize("module", all_of(*METHODS))
def test_a_method_imports_no_other_method_but_for_its_warm_start(module):
    others = {name for name in own(module) if room(name) in METHODS and room(name) != room(module)}
    assert others == WARM_START.get(module, set())


def test_a_method_is_named_in_its_own_room_its_stages_its_options_and_its_training_alone():
    named = {module for module in MODULES if set(module.split(".")[-1].split("_")) & set(METHODS)}
    assert {room(module) for module in named} == {*METHODS, "stages", "options", "training"}


def test_no_stage_imports_a_command():
    assert [module for module in all_of("stages") if any(room(name) == "commands" for name in own(module))] == []


def test_only_the_command_imports_stages_and_only_main_imports_the_command():
    def importers(name):
        return {module for module in MODULES if any(room(found) == name for found in own(module) - {module})}

    assert importers("stages") == {"cli"}
    assert {room(module) for module in importers("commands")} == {"commands", "cli"}
    assert importers("cli") == {"__main__"}
    assert importers("__main__") == set()


@pytest.mark.parametrize("module", all_of("stages"))
def test_a_stage_imports_nothing_heavy_before_it_runs(module):
    top = {name.split(".")[0] for name in imports(module, at_the_top=True)}
    assert top & (HEAVY | {"numpy"}) == set()


def loaded_by(module):
    """Packages of others that come with a module, through what it imports of ours too; each with one who imports it."""
    waiting, seen, found = [module], set(), {}
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        found |= {name.split(".")[0]: current for name in imports(current, at_the_top=True)}
        waiting += own(current, at_the_top=True)
        parts = current.split(".")
        waiting += [".".join(parts[:end]) for end in range(1, len(parts))]  # a package comes before what is in it
    return found


def test_the_command_line_is_there_before_anything_heavy():
    assert {name: module for name, module in loaded_by("cli").items() if name in HEAVY} == {}


def test_numpy_is_not_imported_before_the_threads_are_set():
    # machine.use_threads is called by the command line, and numpy reads the number of threads as it is imported
    assert loaded_by("cli").get("numpy") is None


def test_packages_that_are_imported_are_declared():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.match(r"[\w-]+", line)[0] for line in required}
    used = {name.split(".")[0] for module in MODULES for name in imports(module)}
    installed = metadata.packages_distributions()  # an extra that is not installed says no name
    ours = {"wsss", *sys.stdlib_module_names}
    assert {
        name for name in used - ours if name in installed and not declared & set(map(named, installed[name]))
    } == set()


def named(distribution):
    """The name of a distribution as it is written in a list of requirements."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_heavy_packages_are_those_that_we_use():
    used = {name.split(".")[0] for module in MODULES for name in imports(module)}
    assert used >= HEAVY - {"scipy"}
