from pathlib import Path


def gather(*, shards: tuple[Path, ...], store: Path) -> None:
    """Join the shards of a stage into one store of links.

    Args:
        shards: stores, in order.
        store: joined store to write.
    """
    from wsss.runtime.errors import require
    from wsss.stores.store import gather as join

    require(shards, "shards", "the stores to join")
    join(list(shards), store)
