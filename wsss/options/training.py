"""The options of training: schedule, augmentation, and the job that runs it."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from wsss.runtime.errors import WsssError, refuse

JitterBy = Literal["hsv", "affine"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Args:
        epochs: passes over the images; may be fractional.
        batch_size: images per step; the last, smaller batch of an epoch is dropped.
        optimizer: sgd, as in the papers, or adamw, which trains a network from random weights faster.
        learning_rate: learning rate of the backbone.
        lr_drops: 0 for polynomial decay, (1 - t/T)^power; a number n for n evenly spaced divisions by 10 instead.
        new_layers_factor: learning rate of the head, relative to the backbone's; 10 in the papers, 1 if both are new.
        power: exponent of the polynomial decay.
        momentum: momentum of SGD; AdamW's first beta. (PSA's published code passes its weight decay instead of the
            momentum, so its learning rate 0.1 is for a momentum near 0; for a momentum of 0.9, use a tenth of it.)
        weight_decay: L2 penalty on the weights, not on the biases.
        precision: precision of Lightning Fabric: 32-true, bf16-mixed or 64-true.
        seed: seed of all random numbers.
    """

    epochs: float
    batch_size: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    lr_drops: int
    new_layers_factor: float
    power: float
    momentum: float
    weight_decay: float
    precision: str
    seed: int

    def steps(self, images: int) -> int:
        """T, the number of steps for a number of images; the last, smaller batch of an epoch is dropped."""
        return max(1, round(self.epochs * (images // min(self.batch_size, images))))

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step t of T."""
        if self.lr_drops:
            return self.learning_rate / 10 ** (step * (self.lr_drops + 1) // steps)
        return self.learning_rate * (1 - step / steps) ** self.power


def require_tensorboard() -> None:
    """Refuse to log for TensorBoard where it is not installed.

    Raises:
        WsssError: one line that says what to install.
    """
    if not find_spec("tensorboard"):
        way_out = "pip install tensorboard, or set it to false"
        raise WsssError(f"config: tensorboard: true needs the package tensorboard: {way_out}")


@dataclass(frozen=True)
class Job:
    """Hardware, checkpoint and curve of a training. Of the result, they affect only rounding and dropout masks.

    Args:
        gpus: processes that share each batch, each with a GPU if there are any; the same number on each node.
        nodes: machines that they are spread over. On one node, the first process starts the others; on several nodes,
            srun or torchrun starts all of them.
        checkpoint: file from which an interrupted run resumes; after the run, it holds the finished network.
        checkpoint_steps: number of steps between two checkpoints.
        curve: CSV of step, learning rate and loss.
        tensorboard: folder of TensorBoard, to which the curve is logged under the name of its file; none: it is not.
    """

    gpus: int
    nodes: int
    checkpoint: Path
    checkpoint_steps: int
    curve: Path
    tensorboard: tuple[Path, ...]

    def __post_init__(self) -> None:
        if self.tensorboard:
            require_tensorboard()
        if self.nodes < 1 or self.gpus % self.nodes:
            refuse([f"{self.gpus} GPUs cannot be spread evenly over {self.nodes} nodes"], "training cannot start")

    @property
    def processes_a_node(self) -> int:
        """Number of training processes on each node; 1 if no GPU is requested."""
        return max(1, self.gpus // self.nodes)


@dataclass(frozen=True)
class Augment:
    """Augmentation of a training image, in this order.

    Args:
        resize_px: bounds of the longer side, which is drawn uniformly; 0 0 keeps the size.
        flip: mirror images with probability 1/2.
        jitter: strength of random changes of brightness, contrast and saturation; a third of it applies to hue.
        jitter_by: hsv, as in the papers' codes, on the whole photograph; or affine, twice as fast: one map of the
            colours of the crop, in which the hue is a rotation of the chroma in YIQ.
        crop_px: side of the square crop; smaller images are placed in it at random.
    """

    resize_px: tuple[int, int]
    flip: bool
    jitter: float
    jitter_by: JitterBy
    crop_px: int

    def __post_init__(self) -> None:
        low, high = self.resize_px
        if (low, high) != (0, 0) and not 0 < low <= high:
            refuse([f"resize_px is {low} {high}: give the smaller bound first, or 0 0"], "images cannot be augmented")


@dataclass(frozen=True)
class WarpedInput:
    """Augmentation of a training image that is warped to a square, as in SEC, in this order.

    Args:
        input_px: side of the square, in training and in inference.
        crop_share: a random window of the image is warped in place of the whole; this is the smallest share of the
            height and of the width that it keeps, as much of the one as of the other. 1: the whole image, as in SEC.
        flip: mirror images with probability 1/2.
        jitter: strength of random changes of brightness, contrast and saturation; a third of it applies to hue.
        jitter_by: hsv, as in the papers' codes, on the whole photograph; or affine, twice as fast: one map of the
            colours of the crop, in which the hue is a rotation of the chroma in YIQ.
    """

    input_px: int
    crop_share: float
    flip: bool
    jitter: float
    jitter_by: JitterBy

    def __post_init__(self) -> None:
        if not 0 < self.crop_share <= 1:
            refuse([f"crop_share is {self.crop_share}: give a share above 0, or 1"], "images cannot be cropped")

    @property
    def augment(self) -> Augment:
        """What is left of the augmentation, for an image that is already cropped and warped."""
        return Augment(
            resize_px=(0, 0), flip=self.flip, jitter=self.jitter, jitter_by=self.jitter_by, crop_px=self.input_px
        )

    def cells(self, stride: int, *, multiple: int) -> int:
        """Number of cells per side of the grid of a network with this stride.

        Args:
            stride: of the network's scores.
            multiple: the stride of its backbone, to whole multiples of which it pads images.

        Raises:
            WsssError: the side is not such a multiple.
        """
        if self.input_px % multiple:
            problem = f"input_px is {self.input_px}: give a multiple of {multiple}, the stride of the network"
            refuse([problem], "images cannot be warped")
        return self.input_px // stride
