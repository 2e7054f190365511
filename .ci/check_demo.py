"""Does the demo show what it is there to show? Exits with status 1 where it does not."""

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "results"


def main() -> None:
    cues = json.loads((RESULTS / "cue_scores.json").read_text())
    val = json.loads((RESULTS / "psa_val_miou.json").read_text())
    cam, walk = cues["cam"]["miou"], cues["pseudo_masks"]["plain"]["miou"]
    segmenter = val["masks"]["plain"]["miou"]
    first_line = (RESULTS / "psa_val_miou.txt").read_text().splitlines()[0]
    claims = {
        f"the random walk ({walk:.3f}) is better than the CAM ({cam:.3f})": walk > cam,
        f"the segmenter ({segmenter:.3f}) is at least 10 points above the CAM": segmenter >= cam + 0.10,
        f"the text begins with the JSON's number: {first_line}": first_line == f"mIoU  {100 * val['miou']:.2f}",
        "the pictures are there": (RESULTS / "psa_examples.png").stat().st_size > 10_000,
    }
    sys.stdout.write("".join(f"{'yes' if holds else 'NO '}  {claim}\n" for claim, holds in claims.items()))
    sys.exit(0 if all(claims.values()) else 1)


if __name__ == "__main__":
    main()
