"""What the sections of a configuration must have in common, before anything runs."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

from wsss.options.crf import TRAINABLE
from wsss.options.training import require_tensorboard
from wsss.runtime.errors import WsssError


def check(config: dict) -> None:
    """Refuse a configuration whose sections contradict each other, or that needs a package which is not there.

    Raises:
        WsssError: one line that names the keys, and what to set them to.
    """
    _check_words("config", config)
    for name in config["masks_of"]:
        if f"{name}_segmenter" not in config:
            raise WsssError(f"config: masks_of: there is no method {name}: give one of {', '.join(_methods(config))}")
    _check_rounds(config["psa_ablation"])
    engines = [part.get("crf.engine") for part in _tables(config)]
    if "lattice" in engines and not find_spec("pydensecrf"):
        raise WsssError("config: crf.engine lattice needs pydensecrf: pip install pydensecrf2, or set it to cells")
    if config["tensorboard"]:
        require_tensorboard()
    segmenter = config["sec_segmenter"]
    cells_px = config["seeds"]["cells"] * segmenter["stride"]
    own_seeds = config["sec_seeds"] == "results/seeds.h5"
    if (
        own_seeds and not segmenter["decoder"] and segmenter["input_px"] != cells_px
    ):  # a decoder's grid is the network's
        raise WsssError("config: sec_segmenter: input_px is not seeds: cells times its stride: change one of them")
    if not config["fit_crf"]:
        return
    if config["masks"]["crf.engine"] not in TRAINABLE:
        raise WsssError(f"config: fit_crf: set masks: crf.engine to one that can be trained: {', '.join(TRAINABLE)}")
    if config["crf"]["split"] == "crf_fit" and config["images"]["crf_fit_images"] < 2:
        raise WsssError(
            "config: fit_crf needs images on which no network is trained: set images: crf_fit_images to 2 or more, or"
            " crf: split to train"
        )
    if config["crf"]["masks"] == "annotated" and not config["images"]["masks"]:
        raise WsssError("config: crf: masks is annotated, but images: masks names no folder of true masks")


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
    """The masks that a variant names, if it is one and names some."""
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
        if isinstance(word, str) and word.startswith("-"):
            raise WsssError(f"{where}: {word!r} begins with '-', like an option: give it another name")
