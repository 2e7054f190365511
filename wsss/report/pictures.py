"""Pictures as data URIs, small enough for hundreds of them in one page."""

import base64
import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

QUALITY = 70
"""Of WebP: edges stay sharp, and a photograph of 320 px takes some 15 KB."""


def photograph(picture: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]) -> str:
    """A photograph at (height, width), as WebP."""
    image = Image.fromarray(picture)
    if picture.shape[:2] != size:
        image = image.resize(size[::-1], Image.Resampling.LANCZOS)
    return _uri(image, "webp", quality=QUALITY, method=4)


def labels(indices: UInt8[np.ndarray, "height width"], size: tuple[int, int]) -> str:
    """A label map at (height, width) as a grey PNG whose values are the class indices; the page colours them."""
    image = Image.fromarray(indices)
    if indices.shape != size:
        image = image.resize(size[::-1], Image.Resampling.NEAREST)
    return _uri(image, "png", optimize=True)


def activations(maps: Float[np.ndarray, "rows columns"]) -> str:
    """An activation map in [0, 1] on its own grid, as a grey PNG of 0 to 255; the page enlarges it."""
    return _uri(Image.fromarray((255 * maps.astype("float32").clip(0, 1)).round().astype(np.uint8)), "png")


def _uri(image: Image.Image, form: str, **options: object) -> str:
    content = io.BytesIO()
    image.save(content, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(content.getvalue()).decode()}"
