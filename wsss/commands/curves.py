"""The training curves of one run or of several."""

from pathlib import Path

from wsss.commands.positional import Runs
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def curves(
    results: Runs = (Path("results"),),
    /,
    *,
    out: Path = Path("curves.png"),
) -> None:
    """Draw the training curves of a run, or of several runs over each other, into one picture.

    Each network has axes of its own, with its loss and the parts of it at each step; of more than 200 steps, means over
    stretches of equal length are drawn. The curves are those of results/curves, and may still grow.

    Args:
        results: the folders of the runs.
        out: picture to write, in any format of matplotlib's (png, pdf, svg, …).
    """
    from wsss.datasets import manifest
    from wsss.report import curves as drawing
    from wsss.report import facts
    from wsss.runtime.files import require_no_inputs

    found = [(str(folder), facts.curves(folder)) for folder in results]
    if lacking := [str(folder / "curves") for folder, (_, curves) in zip(results, found, strict=True) if not curves]:
        raise WsssError(f"no training curves of two or more steps in {', '.join(lacking)}: train a network first")
    for table in (folder / "images.csv" for folder in results):
        if table.exists():
            require_no_inputs([out], manifest.files(manifest.read(table)))
    drawing.draw(found, out)
    count = sum(len(curves) for _, curves in found)
    say(f"{out}: {count} training{'s' if count > 1 else ''} of {', '.join(name for name, _ in found)}")
