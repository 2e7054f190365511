"""The table of a run's scores."""

from pathlib import Path

from wsss.commands.positional import Results
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def summary(results: Results = Path("results"), /) -> None:
    """Print one table of how good a run's cues and masks are; without true masks, what the label maps show.

    Args:
        results: the folder of the run.
    """
    from wsss.runtime.files import read_json

    lines = []
    cues = results / "cue_scores.json"
    if cues.exists():
        scores = read_json(cues)
        count = f"{scores['images']} train images"
        for name, note in (("cam", ""), ("cam_oracle", " (oracle)")):
            if name in scores:
                lines.append((f"CAM, background {scores[name]['background']}{note}", count, scores[name]["miou"]))
        made_by = "random walk" if "cam" in scores else "pseudo masks"  # of another program
        names = {"plain": made_by, "refined": f"{made_by} and CRF"}
        lines += [(names[name], count, score["miou"]) for name, score in scores.get("pseudo_masks", {}).items()]
    for path in sorted(results.glob("*_miou.json")):
        method, split, _ = path.stem.rsplit("_", 2)
        score = read_json(path)
        names = {"plain": f"{method} segmenter", "refined": f"{method} segmenter and CRF"}
        count = f"{score['evaluated']['images']} {split} images"
        lines += [(names[name], count, masks["miou"]) for name, masks in score["masks"].items()]
    if not lines:
        _shares(results)
        return
    width, middle = max(len(line[0]) for line in lines), max(len(line[1]) for line in lines)
    say(f"{'':<{width}}  {'':<{middle}}   mIoU")
    for what, count, value in lines:
        say(f"{what:<{width}}  {count:<{middle}}  {100 * value:5.1f}")


def _shares(results: Path) -> None:
    """Print, for each store of label maps, the share of each class and how many maps show none.

    Raises:
        WsssError: there is no such store.
    """
    stores = [path for path in (results / "pseudo_masks.h5", *sorted(results.glob("*_masks.h5"))) if path.exists()]
    if not stores:
        raise WsssError(f"{results} holds no scores and no label maps yet: run snakemake first")
    for path in dict.fromkeys(stores):
        shares, empty, count = _counted(path)
        say(f"{path}: {count} label maps, {empty} of them show the background alone")
        say("  " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items()))
        if 3 * empty > count:
            say("  warning: more than a third show nothing: look at results/*_examples.png, and train for more epochs")


def _counted(path: Path) -> tuple[dict[str, float], int, int]:
    """The share of each class among the pixels of all label maps; how many maps are empty, and their number."""
    import numpy as np

    from wsss.labels import BACKGROUND
    from wsss.stores import store

    with store.read(path, store.kind_of(path)) as source:
        counts, empty = np.zeros(256, int), 0
        for image_id in source:
            found = np.bincount(store.final_labels(source[image_id]).ravel(), minlength=256)
            counts += found
            empty += found[BACKGROUND] == found.sum()
        names = source.classes.names
        return dict(zip(names, (counts[: len(names)] / counts.sum()).tolist(), strict=True)), int(empty), len(source)
