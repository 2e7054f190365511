"""Data sets: from files on disk to rows of the manifest, and from rows to arrays."""
