"""What the sections of a configuration must have in common, before anything runs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec

from wsss.options.configuration import OF_METHODS
from wsss.options.crf import TRAINABLE, Crf
from wsss.options.lcrf import Bound, require_whole_images
from wsss.options.sec import SecLosses
from wsss.options.training import Augment, WarpedInput, require_tensorboard
from wsss.runtime.errors import WsssError


def check(config: dict) -> None:
    """Refuse a configuration whose sections contradict each other, or that needs a package which is not there.

    Raises:
        WsssError: one line that names the keys, and what to set them to.
    """
    _check_words("config", config)
    for section in OF_METHODS:
        for name in config[section]:
            if f"{name}_segmenter" not in config:
                raise WsssError(
                    f"config: {section}: there is no method {name}: give one of {', '.join(_methods(config))}"
                )
    _check_names(config)
    _check_rounds(config["psa_ablation"])
    engines = [part.get("crf.engine") for part in _tables(config)]
    if "lattice" in engines and not find_spec("pydensecrf"):
        raise WsssError("config: crf.engine lattice needs pydensecrf: pip install pydensecrf2, or set it to cells")
    if config["tensorboard"]:
        require_tensorboard()
    labels = config["affinity_labels"]
    if labels["alpha_low"] > labels["alpha_high"]:
        raise WsssError("config: affinity_labels: alpha_low is above alpha_high: exchange them")
    for where, table in _stages(config):
        _check_stage(where, table)
        _check_grid(where, table, config)
    if not config["fit_crf"]:
        return
    of_methods = {f"masks_of: {method}": changes for method, changes in config["masks_of"].items()}
    for where, changes in {"masks": {}, **of_methods}.items():
        if (config["masks"] | changes)["crf.engine"] not in TRAINABLE:
            raise WsssError(
                f"config: fit_crf: set {where}: crf.engine to one that can be trained: {', '.join(TRAINABLE)}"
            )
    if config["crf"]["split"] == "crf_fit" and config["images"]["crf_fit_images"] < 2:
        raise WsssError(
            "config: fit_crf needs images on which no network is trained: set images: crf_fit_images to 2 or more, or"
            " crf: split to train"
        )
    if config["crf"]["masks"] == "annotated" and not config["images"]["masks"]:
        raise WsssError("config: crf: masks is annotated, but images: masks names no folder of true masks")


def _stages(config: dict) -> Iterator[tuple[str, dict]]:
    """The sections of a configuration, and each variant of one with the changes that it makes, by its place."""
    for name, table in config.items():
        if isinstance(table, dict) and not name.endswith("_ablation") and name not in OF_METHODS:
            yield name, table
    for method in _methods(config):
        for variant, changes in config[f"{method}_ablation"].items():
            yield f"{method}_ablation: {variant}", config[f"{method}_segmenter"] | changes
    for section, changed in OF_METHODS.items():
        for method, changes in config[section].items():
            yield f"{section}: {method}", config[changed] | changes


def _check_stage(where: str, table: dict) -> None:
    """Refuse what the options of a stage refuse: it would be told after hours, when the stage begins."""
    for options, prefix in ((Crf, "crf."), (Augment, ""), (WarpedInput, ""), (SecLosses, ""), (Bound, "")):
        names = {field.name: prefix + field.name for field in fields(options)}
        if not table.keys() >= set(names.values()):
            continue
        values = {
            name: tuple(table[key]) if isinstance(table[key], list) else table[key] for name, key in names.items()
        }
        with _named(where):
            options(**values)
    if "likelihood" in table:
        with _named(where):
            require_whole_images(table["likelihood"], table["crop_share"])


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Errors as one line that names the section they are of."""
    try:
        yield
    except WsssError as error:
        raise WsssError(f"config: {where}: {' '.join(str(error).split())}") from error


def _check_grid(where: str, table: dict, config: dict) -> None:
    """Refuse sides of images that are no whole number of the cells of what is learned."""
    cell_px = config["affinity_labels"]["stride"]
    if where == "affinity_net" and (table["crop_px"] % cell_px or table["crop_px"] < 2 * cell_px):
        raise WsssError(
            f"config: affinity_net: crop_px is {table['crop_px']}: give a multiple of {cell_px}, affinity_labels:"
            " stride, of two cells or more"
        )
    if "input_px" not in table:
        return
    if table["input_px"] % table["stride"]:
        raise WsssError(
            f"config: {where}: input_px is {table['input_px']}: give a multiple of {table['stride']}, its stride"
        )
    # SEC and the warm start of the latent CRF learn seeds; a decoder's grid is the network's
    learns_seeds = config["sec_seeds"] == "results/seeds.h5" and table.get("warm_share", 1)
    if learns_seeds and not table["decoder"] and table["input_px"] != config["seeds"]["cells"] * table["stride"]:
        raise WsssError(f"config: {where}: input_px is not seeds: cells times its stride: change one of them")


def _check_names(config: dict) -> None:
    """Refuse a variant that takes the name of a second round, unless it is one."""
    for method in _methods(config):
        for name, changes in config[f"{method}_ablation"].items():
            if name.endswith("_second_round") and "pseudo_masks_store" not in changes:
                raise WsssError(
                    f"config: {method}_ablation: {name}: names that end in _second_round are those of PSA's segmenter"
                    " trained on what another one makes of the training images: give it another name"
                )


def _check_rounds(variants: dict) -> None:
    """Refuse a variant that learns what it makes of the training images itself, by one round or several."""
    for start in variants:
        seen = [start]
        while found := re.fullmatch(r"results/(\w+)_relabels\.h5", _learned(variants, seen[-1])):
            if found[1] in seen:
                raise WsssError(
                    f"config: psa_ablation: {start}: pseudo_masks_store leads back to {found[1]}: name masks of another"
                )
            seen.append(found[1])


def _learned(variants: dict, name: str) -> str:
    """The masks that a variant names, or a second round learns; nothing for others."""
    if name not in variants and name.endswith("_second_round"):
        return f"results/{name.removesuffix('_second_round')}_relabels.h5"
    return variants.get(name, {}).get("pseudo_masks_store", "")


def _methods(config: dict) -> list[str]:
    """The methods of a configuration."""
    return [name.removesuffix("_segmenter") for name in config if name.endswith("_segmenter")]


def _tables(config: dict) -> Iterator[dict]:
    """Every table of a configuration, sections and entries of tables of changes among them."""
    for part in config.values():
        if isinstance(part, dict):
            yield part
            yield from _tables(part)


def _check_words(where: str, value: object) -> None:
    """Refuse a text that a command would take for an option, whatever it names, in a table and all below it."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_words(f"{where}: {key}", item)
        return
    for word in value if isinstance(value, list) else [value]:
        if isinstance(word, str) and re.search("[\0\ud800-\udfff]", word):
            raise WsssError(f"{where}: {word!a} has characters that no name of a file can have: remove them")
        if isinstance(word, str) and word.startswith("-"):
            raise WsssError(f"{where}: {word!r} begins with '-', like an option: give it another name")
