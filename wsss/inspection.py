"""Commands for people: look into a store, and sum up a run."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from wsss.errors import WsssError


def inspect(
    store: Annotated[Path, tyro.conf.Positional],
    image: Annotated[str, tyro.conf.Positional] = "",
    /,
    *,
    images: Path = Path("results/images.csv"),
    picture: Path = Path("inspect.png"),
) -> None:
    """Show what a store holds: its attributes, or one image of it as a picture.

    Args:
        store: any of the stores under results/.
        image: id of an image; without one the attributes and the first ids are listed.
        images: manifest, where the photograph is found.
        picture: PNG to write.
    """
    from wsss import figures, manifest
    from wsss.panels import drawn
    from wsss.pictures import read_photograph
    from wsss.store import kind_of, read

    kind = kind_of(store)
    with read(store, kind) as source:
        if not image:
            lines = [f"{name}: {value}" for name, value in sorted(source.attributes.items())]
            _say("\n".join([f"{store}: {len(source)} images of kind {kind}", *lines]))
            _say("ids: " + " ".join(list(source)[:5]) + (" …" if len(source) > 5 else ""))
            return
        arrays, size, classes = source[image], source.size(image), source.classes
        row = next((row for row in manifest.read(images) if row.id == image), None)
        if row is None:
            raise WsssError(f"{images} lists no image {image!r}: give the manifest of this run by --images")
        photograph = read_photograph(row.image)
        panels = {"photograph": photograph}
        present = arrays.pop("classes", range(len(classes.names)))
        for name, array in arrays.items():
            if array.ndim == 2:
                panels[name] = drawn(array, photograph, source)
            else:
                for rank, values in zip(present, array, strict=True):
                    panels[f"{name} {classes.names[rank]}"] = drawn(values, photograph, source)
        figures.write(picture, {str(store): [(image, panels)]}, classes)
        shapes = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items())
        _say(f"{image}: size {size}, {shapes}; drawn in {picture}")


def export(
    store: Annotated[Path, tyro.conf.Positional],
    folder: Annotated[Path, tyro.conf.Positional] = Path("masks"),
    /,
    *,
    maps: Literal["refined", "plain"] = "refined",
) -> None:
    """Write the label maps of a store as PNG files, as VOC has its masks: ID.png, with the classes' own values.

    Args:
        store: predicted masks or pseudo masks, such as results/psa_val_masks.h5.
        folder: where to write them.
        maps: those after the CRF (plain ones where there was none), or those before it.
    """
    import numpy as np

    from wsss.labels import VOID
    from wsss.pictures import write_mask
    from wsss.progress import track
    from wsss.store import kind_of, read

    kind = kind_of(store)
    if kind not in ("masks", "pseudo_masks"):
        raise WsssError(f"{store} holds {kind!r}: only masks and pseudo_masks are label maps at the images' size")
    folder.mkdir(parents=True, exist_ok=True)
    with read(store, kind) as source:
        values = np.full(256, VOID, np.uint8)
        values[: len(source.classes.mask_values)] = source.classes.mask_values
        for image_id in track(source, "export", total=len(source)):
            arrays = source[image_id]
            write_mask(folder / f"{image_id}.png", values[arrays.get(maps, arrays["plain"])])
    _say(f"{folder}: {len(list(folder.glob('*.png')))} masks; their values are those of classes.csv")


def summary(results: Annotated[Path, tyro.conf.Positional] = Path("results"), /) -> None:
    """Print one table of how good a run's cues and masks are, and where to look next.

    Args:
        results: the folder of the run.
    """
    import json

    lines = []
    cues = results / "cue_scores.json"
    if cues.exists() and "cam" in (scores := json.loads(cues.read_text())):
        count = f"{scores['images']} train images"
        lines.append((f"CAM, background {scores['cam']['background']}", count, scores["cam"]["miou"]))
        oracle = scores["cam_oracle"]
        lines.append((f"CAM, background {oracle['background']} (oracle)", count, oracle["miou"]))
        names = {"plain": "random walk", "refined": "random walk and CRF"}
        lines += [(names[name], count, score["miou"]) for name, score in scores.get("pseudo_masks", {}).items()]
    for path in sorted(results.glob("*_miou.json")):
        method, split, _ = path.stem.rsplit("_", 2)
        score = json.loads(path.read_text())
        names = {"plain": f"{method} segmenter", "refined": f"{method} segmenter and CRF"}
        count = f"{score['evaluated']['images']} {split} images"
        lines += [(names[name], count, masks["miou"]) for name, masks in score["masks"].items()]
    if not lines:
        raise WsssError(f"{results} holds no scores yet: run snakemake first")
    width, middle = max(len(line[0]) for line in lines), max(len(line[1]) for line in lines)
    _say(f"{'':<{width}}  {'':<{middle}}   mIoU")
    for what, count, value in lines:
        _say(f"{what:<{width}}  {count:<{middle}}  {100 * value:5.1f}")


def _say(text: str) -> None:
    print(text)  # noqa: T201 (this is what the command is for)
