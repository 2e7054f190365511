"""Holds the imports of the package to an order, which is read from its syntax: nothing is imported here."""

import ast
import functools

import pytest

from wsss import provenance

PACKAGE = provenance.PACKAGE

LAYERS = [
    # the ground: knows nothing of segmentation
    {"errors", "files", "machine"},
    {"labels", "progress", "options", "provenance", "safe_pickle"},
    {"pictures", "manifest", "store", "parallel", "localization_cues", "distributed"},
    # the maths: plain functions of arrays
    {"grid", "affinity", "metrics", "crf", "seeds"},
    {"random_walk", "cam", "cues", "saliency", "sec_losses"},
    {"lcrf_losses"},
    # from files to tensors and back
    {"data", "transforms", "figures", "evaluation", "refinement", "backbones"},
    {"networks", "confident", "panels", "fitted_crf", "crf_teacher"},
    {"inspection", "exchange", "likelihoods"},
    {"training"},
    # the commands
    {"stages"},
    {"cli"},
    {"__main__"},
]
"""Modules, and packages as wholes; each line imports only lines above it. A new module is put in its place here."""

MATHS = {
    "grid": set(),
    "cam": {"grid"},
    "cues": {"grid"},
    "seeds": {"labels"},
    "saliency": set(),
    "sec_losses": {"errors", "labels", "options", "crf"},
    "lcrf_losses": {"options", "sec_losses", "errors"},
    "affinity": {"errors", "labels"},
    "metrics": {"errors", "labels"},
    "crf": {"errors", "labels", "options", "crf"},
    "random_walk": {"errors", "labels", "affinity", "machine"},
}
"""What the maths may import of ours: no paths, no stores, no networks."""

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
    """What runs on import: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
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


def unit(module):
    return module.split(".")[0]


def level(module):
    (found,) = [number for number, names in enumerate(LAYERS) if unit(module) in names]
    return found


def test_every_module_has_its_place():
    placed = [name for names in LAYERS for name in names]
    assert sorted(placed) == sorted({unit(module) for module in MODULES}), "put the new module in its place in LAYERS"


def test_the_imports_are_found_at_all():
    assert {"affinity", "random_walk", "store", "refinement", "options"} <= own("stages.pseudo_masks")
    assert own("stages.pseudo_masks", at_the_top=True) == {"options"}
    assert own("cues") == {"grid"}
    assert "crf.exact" in own("crf")
    assert "numpy" in {name.split(".")[0] for name in imports("metrics", at_the_top=True)}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_is_below_it(module):
    above = [name for name in own(module) if unit(name) != unit(module) and level(name) >= level(module)]
    assert above == [], f"{module} imports {', '.join(above)}, which is not below it"


@pytest.mark.parametrize("module", sorted(module for module in MODULES if unit(module) in MATHS))
def test_the_maths_knows_no_files_and_no_networks(module):
    assert {unit(name) for name in own(module)} <= MATHS[unit(module)]


def test_only_the_command_imports_stages_and_only_main_imports_the_command():
    def importers(name):
        return {module for module in MODULES if any(unit(found) == name for found in own(module))}

    assert importers("stages") == {"cli"}
    assert importers("cli") == {"__main__"}
    assert importers("__main__") == set()


@pytest.mark.parametrize("module", sorted(module for module in MODULES if unit(module) == "stages"))
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
        if unit(current) != current:
            waiting.append(unit(current))  # a package is imported before what is in it
    return found


def test_the_command_line_is_there_before_anything_heavy():
    assert {name: module for name, module in loaded_by("cli").items() if name in HEAVY} == {}


def test_numpy_is_not_imported_before_the_threads_are_set():
    # machine.use_threads is called by the command line, and numpy reads the number of threads as it is imported
    assert loaded_by("cli").get("numpy") is None


def test_heavy_packages_are_those_that_we_use():
    used = {name.split(".")[0] for module in MODULES for name in imports(module)}
    assert used >= HEAVY - {"scipy"}
