"""Data sets: each module turns files on disk into rows of the manifest."""
