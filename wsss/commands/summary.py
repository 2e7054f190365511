"""The table of scores of one run or of several."""

from pathlib import Path
from typing import Literal

from wsss.commands.positional import Runs
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def summary(
    results: Runs = (Path("results"),),
    /,
    *,
    format: Literal["text", "csv", "markdown", "latex"] = "text",
    classes: bool = False,
) -> None:
    """Print one table of how good a run's cues and masks are; without true masks, what the label maps show.

    Of several folders, such as those of three seeds, the table has the mIoU of each, the mean, and the standard
    deviation. Scores that belong to another data set than the folder's list of images are left out, and named.

    Args:
        results: the folders of the runs.
        format: how the table is written.
        classes: add the IoU of each class, the mean over the runs.
    """
    from wsss.results import runs, tables

    found = []
    for folder in results:
        scores, stale = runs.read(folder)
        found.append(scores)
        for path in stale:
            say(f"left out: {path} is of another data set than {folder / 'images.csv'}")
    if any(found):
        table = tables.cells(runs.joined(found), [str(folder) for folder in results], classes=classes)
        say(tables.FORMATS[format](table))
        return
    for folder in results:
        _shares(folder)


def _shares(results: Path) -> None:
    """Print, for each store of label maps, the share of each class and how many maps show none.

    Raises:
        WsssError: there is no such store.
    """
    from wsss.results import shares
    from wsss.stores import store

    stores = [path for path in (results / "pseudo_masks.h5", *sorted(results.glob("*_masks.h5"))) if path.exists()]
    if not stores:
        raise WsssError(f"{results} holds no scores and no label maps yet: {_done(results)}")
    for path in dict.fromkeys(stores):
        with store.read(path, store.kind_of(path)) as source:
            found = shares.counted(source)
        say(f"{path}: {found.maps} label maps, {found.empty} of them show the background alone")
        say("  " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.of_classes.items()))
        if 3 * found.empty > found.maps:
            say("  warning: more than a third show nothing: look at results/*_examples.png, and train for more epochs")


def _done(results: Path) -> str:
    """Which stages of a run are done, and what to do next."""
    done = sorted(path.stem for pattern in ("*.h5", "*.safetensors", "images.csv") for path in results.glob(pattern))
    return (f"done so far: {', '.join(done)}; " if done else "") + "run snakemake first"
