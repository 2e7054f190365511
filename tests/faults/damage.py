"""Damages each result of a finished run, and reads it by its stage: `python damage.py PROJECT SEED [FILE ...]`.

A line a try: the kind of the file and of the damage, the file, the place, what became of it; separated by tabs.
"""

import json
import random
import shutil
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import in_process
import kills
import numpy as np

from wsss.stores import attributes

SECTOR = 512
CUT = 4096

FEW = 8
"""Zeroed sectors and flipped bytes, where the number of tries is not given; and all tries of a checkpoint."""

SECONDS = 30
"""A stage that is not done by then hangs: of a damaged checkpoint it trains from scratch."""

CUES = ("cams", "pseudo_masks", "seeds")


def readers(project: Path) -> dict[str, tuple[str, ...]]:
    """For each damaged file, below the results, the words of a stage that reads it, in one process."""
    stages = {stage.name: _in_one_process(stage.words) for stage in kills.stages(project)}
    whole = {name: changed(words, "--shard", "1-of-1") for name, words in stages.items() if "--shard" in words}
    stores = {name: stages["cue_scores"] for name in CUES}
    stores |= {"saliency": whole["seeds"], "affinity_labels": stages["affinity_net"]}
    stores |= {
        "psa_train_scores": changed(stages["crf"], "--fit.epochs", "1"),
        "psa_val_scores": whole["masks"],
        "psa_val_masks": stages["miou"],
    }
    found = {f"{name}.h5": words for name, words in stores.items()}
    found |= {f"{name}/{number}-of-2.h5": words for name, words in stores.items() for number in (1, 2)}
    found |= {"classifier.safetensors": whole["saliency"], "affinity_net.safetensors": whole["pseudo_masks"]}
    for name in ("psa_segmenter", "sec_segmenter", "lcrf_segmenter"):
        found[f"{name}.safetensors"] = changed(whole["scores"], "--segmenter", f"results/{name}.safetensors")
    for name in ("classifier", "affinity_net", "psa_segmenter", "sec_segmenter", "lcrf_segmenter"):
        found[f"checkpoints/{name}.pt"] = stages[name]
    found |= {"training_images.csv": whole["saliency"], "images.csv": stages["miou"]}
    found["classes.csv"] = stages["classifier"]
    found["psa_crf.json"] = changed(whole["masks"], "--fitted", "results/psa_crf.json")
    found["psa_val_miou.json"] = stages["ablation"]
    found["cue_scores.json"] = stages["comparison"]
    return found


def _in_one_process(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a stage without its log and without workers."""
    words = kills.without_log(words)
    return changed(words, "--threads", "1") if "--threads" in words else words


def changed(words: tuple[str, ...], option: str, value: str) -> tuple[str, ...]:
    """The words with one value of an option, which may have had none."""
    place = words.index(option) + 1
    rest = words[place:]
    return (*words[:place], value, *(rest if rest[0].startswith("--") else rest[1:]))


def kind_of(name: str) -> str:
    if name.endswith(".h5"):
        return "shard" if "/" in name else "joined store"
    if name.endswith(".safetensors"):
        return "network"
    if name.endswith(".pt"):
        return "checkpoint"
    return "manifest" if name.endswith(".csv") else "scores"


def damages(path: Path, generator: random.Random, tries: int | None) -> Iterator[tuple[str, int, bytes]]:
    """The kind, place and content of each damage: cuts, zeroed sectors, and flipped bytes anywhere and in each part.

    Of each kind there are so many tries; without a number each cut and each part is tried, and FEW of the others.
    """
    whole = path.read_bytes()
    few = FEW if tries is None else tries

    def flipped(place: int) -> bytes:
        return whole[:place] + bytes([whole[place] ^ 1 << generator.randrange(8)]) + whole[place + 1 :]

    cuts, sectors = (range(0, len(whole), min(size, max(1, len(whole) // 4))) for size in (CUT, SECTOR))
    for place in generator.sample(cuts, min(tries or len(cuts), len(cuts))):
        yield "cut", place, whole[:place]
    for place in generator.sample(sectors, min(few, len(sectors))):
        sector = whole[place : place + SECTOR]
        yield "sector of zeros", place, whole[:place] + bytes(len(sector)) + whole[place + SECTOR :]
    for _ in range(few):
        place = generator.randrange(len(whole))
        yield "byte", place, flipped(place)
    parsers = {".h5": parts_of_store, ".pt": parts_of_torch, ".safetensors": parts_of_safetensors}
    parts = parsers.get(path.suffix, lambda *_: {})
    for kind, found in parts(path, whole).items():
        for start, size in generator.sample(found, min(tries or len(found), len(found))):
            place = start + generator.randrange(size)
            yield f"byte of {kind}", place, flipped(place)


Parts = dict[str, list[tuple[int, int]]]
"""Where the bytes of each part of a file lie, as (start, size), by the kind of the part."""


def parts_of_torch(path: Path, _: bytes) -> Parts:
    """The tensors, and what else there is, of a file of torch: the files of a zip archive."""
    places = []
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            file.seek(member.header_offset + 26)
            lengths = struct.unpack("<HH", file.read(4))
            places.append((member.header_offset + 30 + sum(lengths), member.file_size))
    return {"a tensor": [place for place in places if place[1]]}


def parts_of_safetensors(_: Path, whole: bytes) -> Parts:
    """The header and the tensors of a network's file."""
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    offsets = [about["data_offsets"] for name, about in header.items() if name != "__metadata__"]
    tensors = [(8 + length + start, end - start) for start, end in offsets if end > start]
    return {"the header": [(8, length)], "a tensor": tensors}


def parts_of_store(path: Path, whole: bytes) -> Parts:
    """The arrays and the attributes of a store."""
    arrays, words = [], []
    searched: dict[bytes, int] = {}  # equal attributes follow one another
    with h5py.File(path, "r") as file:
        places: list[h5py.HLObject] = [file]
        if "files" not in file.attrs:
            file.visititems(lambda _, place: places.append(place))
        for place in places:
            if isinstance(place, h5py.Dataset):
                chunk = place.id.get_chunk_info(0)
                arrays.append((chunk.byte_offset, chunk.size))
            for name in place.attrs:
                stored = h5py.h5a.open(place.id, name.encode())
                content = np.empty(stored.shape, stored.dtype)
                stored.read(content)
                text = content.tobytes()
                start = whole.find(text, searched.get(text, 0))
                if start >= 0 and text:
                    searched[text] = start + len(text)
                    words.append((start, len(text)))
    return {"an array": arrays, "an attribute": words}


def content_of(path: Path) -> object:
    """What is in a file that a stage wrote; of a store its attributes, but for the digests of the files it was made of.

    One of them is the digest of its images' content. Where damage changed nothing, that of its file is another still.
    """
    if path.suffix != ".h5":
        return path.read_bytes()
    with h5py.File(path, "r") as file:
        found = {name: str(value) for name, value in attributes.read(file).items()}
    return {name: value for name, value in found.items() if name != "seal" and not name.startswith("input.")}


class Tried:
    """A finished run in which one file after another is damaged; what its stages write is put back."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.results = project / "results"
        self.kept = project.with_name("kept")
        shutil.copytree(self.results, self.kept)
        self._expected: dict[tuple[str, ...], dict[str, object]] = {}

    def outcome(self, name: str, words: tuple[str, ...], content: bytes) -> str:
        """What becomes of a file with this content, as its stage reads it."""
        if words not in self._expected:
            self._expected[words] = self._undisturbed(name, words)
        path = self.results / name
        path.write_bytes(content)
        ended, written = self._written(name, words)
        shutil.copy2(self.kept / name, path)
        if kind_of(name) == "checkpoint" and ended.status == 0:
            told = "training restarts from scratch" in ended.said and Path(name).name in ended.said
            same = written == self._expected[words]
            return ("told" if told else "right") if same else f"silent: other results of {words[0]}"
        if ended.status == 0 and written == self._expected[words]:
            return "right"
        return in_process.outcome(ended, name=name)

    def train_again(self, name: str, words: tuple[str, ...]) -> None:
        """Write a checkpoint in this process: another number of threads rounds differently."""
        (self.results / name).unlink()
        self._expected[words] = self._undisturbed(name, words)
        shutil.copy2(self.results / name, self.kept / name)

    def _undisturbed(self, name: str, words: tuple[str, ...]) -> dict[str, object]:
        """What a stage writes where nothing is damaged."""
        ended, written = self._written(name, words)
        assert ended.status == 0, ended
        return written

    def _written(self, name: str, words: tuple[str, ...]) -> tuple[in_process.Ended, dict[str, object]]:
        """How a stage ends, and the files that it wrote; those and its checkpoint are put back."""
        outputs = [path for path in kills.Stage(words, 0).outputs() if path != Path("results", name)]
        for path in outputs:
            (self.project / path).unlink(missing_ok=True)
        ended = in_process.wsss(*words, folder=self.project, seconds=SECONDS)
        written = {str(path): content_of(self.project / path) for path in outputs if (self.project / path).exists()}
        for path in outputs:
            kept = self.kept / path.relative_to("results")
            if kept.exists():
                shutil.copy2(kept, self.project / path)
        return ended, written


def main(project: Path, seed: int, names: list[str]) -> None:
    tried = Tried(project)
    for name, words in readers(project).items():
        if names and name not in names:
            continue
        generator = random.Random(f"{seed} {name}")
        of_checkpoint = kind_of(name) == "checkpoint"
        if of_checkpoint:
            tried.train_again(name, words)
        for kind, place, content in damages(tried.kept / name, generator, FEW if of_checkpoint else None):
            found = tried.outcome(name, words, content).replace("\n", " / ").replace("\t", " ")
            sys.stdout.write(f"{kind_of(name)}: {kind}\t{name}\t{place}\t{found}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
