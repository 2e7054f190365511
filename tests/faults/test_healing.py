"""What the message about a damaged file advises heals the run: every result is then that of an undisturbed one."""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import finished_run
import kills
import outcomes
import pytest

TABLES = ["psa_val_miou.txt", "psa_val_miou.json"]
DAMAGED = {
    "a store": ("psa_val_masks/2-of-2.h5", TABLES),
    "a joined store": ("psa_val_masks.h5", TABLES),
    "a network": ("psa_segmenter.safetensors", ["psa_relabels/1-of-2.h5", "psa_relabels.h5"]),
    "a checkpoint": ("checkpoints/sec_segmenter.pt", ["sec_segmenter.safetensors"]),
    "a manifest": ("images.csv", ["cue_scores.json"]),
    "fitted numbers": ("psa_crf.json", ["psa_val_masks/1-of-2.h5", "psa_val_masks.h5", *TABLES]),
}
"""Of each kind of file one that is damaged, and results that are not there yet: their stage reads it."""

MOST_RUNS = 4
"""Runs in which a message may name one more file."""

ADVICE = re.compile(r"error: (.*): remove (it|both)\b(.*)")
"""What an error says is to be removed: the files that it names."""


def damage(path: Path) -> None:
    """Flip a byte of what has a digest of its content, cut in half what has none; its times stay, as on a bad disk."""
    times, content = path.stat(), bytearray(path.read_bytes())
    middle = len(content) // 2
    if path.suffix in (".h5", ".pt", ".safetensors"):
        content[middle] ^= 1
    else:
        del content[middle:]
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def healed(project: Path, name: str, lost: list[str]) -> str:
    """What becomes of a run with a damaged file, where its user does what the messages say."""
    expected = finished_run.digests(project)
    damage(project / "results" / name)
    for other in lost:
        (project / "results" / other).unlink()
    told = False
    for _ in range(MOST_RUNS):
        run = kills.ended(kills.RUN, project)
        said = run.stdout + run.stderr
        if run.returncode == 0:
            told |= "training restarts from scratch" in said and Path(name).name in said
            found = kills.compared(finished_run.digests(project), expected)
            return ("told" if told else "silent: not noticed") if found == "right" else found
        advice = ADVICE.search(said)
        if not advice or "Traceback" in said:
            return f"unclear: {said[-1500:]}"
        told = True
        for named in re.findall(r"results/[\w/.-]+\.\w+", advice[0]):
            (project / named).unlink(missing_ok=True)
    return f"unclear: not healed after {MOST_RUNS} runs: {said[-1500:]}"


@pytest.mark.faults
def test_what_the_message_advises_heals(finished, tmp_path):
    def tried(kind: str) -> str:
        project = finished_run.copied(finished, tmp_path / kind.replace(" ", "_"))
        found = healed(project, *DAMAGED[kind])
        shutil.rmtree(project)
        outcomes.count("heal: what the message advises", found)
        return f"{kind}: {found}"

    with ThreadPoolExecutor(2) as pool:
        wrong = [found for found in pool.map(tried, DAMAGED) if not found.endswith(": told")]
    assert not wrong, "\n".join(wrong)
