"""From a segmenter and any photograph to probabilities and labels, as the stages scores and masks make them."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from wsss.crf.potentials import Potentials
from wsss.datasets import manifest, pictures
from wsss.labels import Classes
from wsss.networks import file
from wsss.networks.segmenter import Segmenter
from wsss.options.crf import NO_FEATURE_CRF, PSA, Crf, FeatureCrf
from wsss.results import feature_crf, fitted_crf, image_prior
from wsss.results.probabilities import Photograph, maps_of
from wsss.results.refinement import Scored, refined_scores
from wsss.runtime import machine
from wsss.runtime.errors import WsssError
from wsss.stores import store

LARGEST_SCALE = 8
"""Of the image, as in the configuration."""


@dataclass(frozen=True)
class Settings:
    """How a run labels photographs.

    Args:
        scales: resize factors of the image.
        image_prior: exponent of a classifier's probabilities of the whole image; 0: they are not used.
        feature_crf: the CRF of the network's cells, by the classifier's features.
        crf: the CRF after the network.
        potentials: fitted numbers of the CRF, if the run fitted some.
        source: where these were found, in words.
    """

    scales: tuple[float, ...] = (1.0,)
    image_prior: float = 0
    feature_crf: FeatureCrf = NO_FEATURE_CRF
    crf: Crf = PSA
    potentials: Potentials | None = None
    source: str = "the defaults, since the network's run is not beside it"


def settings_of_run(network: Path, classes: Classes) -> Settings:
    """How the run of a network labelled its images, from the masks beside its file, and the fitted CRF, if it had one.

    Raises:
        WsssError: the masks do not say it, or the fitted CRF that they were made with is not there.
    """
    method = network.stem.removesuffix("_segmenter")
    # by the names of splits: psa_second_round_val_masks.h5 is that of a variant of psa
    masks_of = (network.with_name(f"{method}_{split}_masks.h5") for split in manifest.SPLITS)
    found = [path for path in masks_of if path.exists()]
    if not found:
        return Settings()
    with store.read(found[0], "masks") as masks:
        attributes = {name.removeprefix("setting."): value for name, value in masks.attributes.items()}
    kinds = {int: int, float: float}
    try:
        scores = tuple(map(float, attributes["scales"].split())), float(attributes.get("image_prior", 0))
        if not (scores[0] and all(0 < scale <= LARGEST_SCALE for scale in scores[0]) and 0 <= scores[1] < math.inf):
            raise ValueError(f"scales {attributes['scales']}, image prior {scores[1]}")
        scores = (*scores, _feature_crf(attributes))
        fitted = attributes["fitted"] != "no"
        numbers = {field.name: kinds.get(field.type, str) for field in fields(Crf) if field.name in attributes}
        parameters = None if fitted else Crf(**{name: kind(attributes[name]) for name, kind in numbers.items()})
    except (ValueError, LookupError, TypeError, WsssError) as error:
        raise WsssError(
            f"{found[0]} does not say how its images were labelled ({error}): remove it and rerun its stage"
        ) from error
    if parameters:
        return Settings(*scores, parameters, source=str(found[0]))
    path = _fitted_crf(found[0], attributes.get("input.fitted"))
    parameters, potentials, _ = fitted_crf.read(path, classes)
    return Settings(*scores, parameters, potentials, source=f"{found[0]} and {path}")


def _feature_crf(attributes: dict[str, object]) -> FeatureCrf:
    """The CRF by features that a store of masks names."""
    named = {field.name: (field.type, attributes.get(f"feature_crf.{field.name}")) for field in fields(FeatureCrf)}
    if named["weight"][1] is None:  # of an earlier version
        return NO_FEATURE_CRF
    return FeatureCrf(**{name: kind(value) for name, (kind, value) in named.items()})


def _fitted_crf(masks: Path, digest: object) -> Path:
    """The fitted CRF with which masks were made, beside them: that of a variant bears the name of its method."""
    found = next((path for path in sorted(masks.parent.glob("*_crf.json")) if store.digest(path) == digest), None)
    if found is None:
        raise WsssError(
            f"{masks} was made with a fitted CRF (METHOD_crf.json) that is not beside it, or has changed since: put it"
            " there, or rerun the stage masks"
        )
    return found


@dataclass(frozen=True)
class Prediction:
    """What a network sees in a photograph.

    Args:
        labels: class index of each pixel, at the photograph's size.
        probabilities: of each class at each pixel, after the CRF if there is one; at the working size of the network,
            which is smaller than the photograph where its run worked on copies.
        class_names: the class of each index, background first.
    """

    labels: UInt8[np.ndarray, "height width"]
    probabilities: Float[np.ndarray, "classes _ _"]
    class_names: tuple[str, ...]


class Predictor:
    """A trained segmenter, ready to label photographs; see `load`."""

    def __init__(self, path: Path, *, crf: bool = True, scales: tuple[float, ...] | None = None) -> None:
        self.network, self.about = file.load(path, Segmenter)
        self.network.to(machine.device())
        self.settings = settings_of_run(path, self.about.classes)
        self.crf = self.settings.crf if crf else Crf(**{**vars(self.settings.crf), "engine": "none"})
        self._maps = maps_of(self.network, scales=scales or self.settings.scales)
        power, by_features, classes = self.settings.image_prior, self.settings.feature_crf, self.about.classes
        judge = _classifier(path) if power or by_features.weight else None
        self._weigh = image_prior.weighing(judge if power else None, classes, power=power)
        of_cells = {"stride": self.network.stride, "warped_px": self.about.warped_px}
        self._refine = feature_crf.refining(judge if by_features.weight else None, classes, by_features, **of_cells)

    def scored(self, name: str, photograph: Photograph) -> Scored:
        """A photograph with its probabilities on the network's grid, at the working size."""
        size = working_size(photograph.shape[:2], self.about.longest_px)
        if size != photograph.shape[:2]:
            photograph = pictures.resized(photograph, size)
        with machine.exact():
            (found,) = self._maps(pictures.as_given(photograph, self.about.warped_px)[None])
        maps = self._refine(photograph, self._weigh(photograph, found)).numpy().astype("float32")
        classes = np.arange(len(self.about.classes.names), dtype=np.uint8)
        return Scored(name, photograph, size, maps, self.network.stride, classes, self.about.warped_px)

    def __call__(self, image: Image.Image | np.ndarray | Path | str) -> Prediction:
        """Label a photograph.

        Args:
            image: a file, which is set upright by its EXIF orientation; or a picture of Pillow, or RGB pixels, uint8
                (height, width, 3), which are taken as they are.

        Raises:
            WsssError: the file cannot be read, or the pixels are of another type or shape.
        """
        if isinstance(image, Path | str):
            image = pictures.read_photograph(Path(image))
        photograph = np.array(image.convert("RGB") if isinstance(image, Image.Image) else image)
        if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
            raise WsssError(
                f"the photograph is {photograph.dtype} {photograph.shape}: give RGB, uint8 (height, width, 3)"
            )
        scored = self.scored("image", photograph)
        scores = refined_scores(scored.at_pixels().numpy(), scored.pixels(), self.crf, self.settings.potentials)
        labels = pictures.stretched(scores.argmax(0).astype(np.uint8), photograph.shape[:2])
        return Prediction(labels, scores, self.about.classes.names)


def _classifier(segmenter: Path) -> Path:
    """The classifier of the run that a segmenter is of."""
    path = segmenter.with_name(f"classifier{segmenter.suffix}")
    if not path.exists():
        raise WsssError(f"{path} does not exist: the run weighed the scores of {segmenter.name} by it, so put it there")
    return path


def working_size(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """(height, width) at which a photograph is labelled: its own, or smaller where its longer side exceeds a limit."""
    longest = max(size)
    if not longest_px or longest <= longest_px:
        return size[0], size[1]
    return max(1, round(size[0] * longest_px / longest)), max(1, round(size[1] * longest_px / longest))


def load(path: Path | str, *, crf: bool = True) -> Predictor:
    """A trained segmenter that labels photographs: `wsss.load("psa_segmenter.safetensors")("photo.jpg").labels`.

    Args:
        path: file of a segmenter. Where the masks of its run lie beside it, the same scales, prior and CRF are used.
        crf: whether a CRF refines the labels.

    Raises:
        WsssError: the file is missing, damaged, or no segmenter.
    """
    return Predictor(Path(path), crf=crf)
