"""One page that shows a run."""

from pathlib import Path

from wsss.commands.positional import Runs
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def report(
    results: Runs = (Path("results"),),
    /,
    *,
    page: Path | None = None,
    images: int = 100,
    longest_px: int = 320,
) -> None:
    """Write one page with a run's scores, confusions, training curves, images, times and settings.

    The page is one HTML file that needs no network and nothing beside it. Of several folders, such as those of three
    seeds, it has the mean scores and the standard deviation, and the images of the first.

    Args:
        results: the folders of the runs.
        page: HTML to write; report.html in the first folder unless another file is named.
        images: largest number of images of each split: those with the lowest and highest scores, and some between.
        longest_px: longer side of the pictures on the page, in pixels.
    """
    from wsss.report import page as pages

    if images < 0:
        raise WsssError(f"--images is {images}: give the largest number of images of each split, or 0 for none")
    if longest_px < 1:
        raise WsssError(f"--longest_px is {longest_px}: give the longer side of the pictures, at least 1 px")
    target = page or results[0] / "report.html"
    pages.write(list(results), target, images=images, longest_px=longest_px)
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB; open it in a browser")
