"""What HDF5 raises of a damaged file, told with what to remove."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsss.runtime.errors import WsssError, pass_on

OF_HDF5 = (KeyError, OSError, ValueError, RuntimeError, TypeError)
"""What h5py raises of a damaged file; a TypeError is of a type that numpy lacks."""


@contextmanager
def told(path: Path, joined: Path | None = None) -> Iterator[None]:
    """What HDF5 raises where a checksum of its own does not fit, as one line.

    Of a shard that was `joined` to another store both must go: while that is there, Snakemake misses no shard of it.
    """
    try:
        yield
    except OF_HDF5 as error:
        if isinstance(error, WsssError):
            raise
        pass_on(error)
        remedy = "remove it and rerun its stage"
        if joined not in (None, path):
            remedy = f"remove it and {joined}, to which it was joined, and rerun their stages"
        raise WsssError(f"{path} is damaged ({error}): {remedy}") from error
