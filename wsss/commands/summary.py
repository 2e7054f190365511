"""The table of a run's scores."""

from pathlib import Path

from wsss.commands.positional import Results
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def summary(results: Results = Path("results"), /) -> None:
    """Print one table of how good a run's cues and masks are.

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
    say(f"{'':<{width}}  {'':<{middle}}   mIoU")
    for what, count, value in lines:
        say(f"{what:<{width}}  {count:<{middle}}  {100 * value:5.1f}")
