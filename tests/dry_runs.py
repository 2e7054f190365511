"""Dry runs of the workflow, two at a time, each in a fork of one process that has imported Snakemake.

    python tests/dry_runs.py PROJECT < COMMANDS > ENDS

COMMANDS is a JSON list of lists of words after `snakemake`, ENDS one of [exit status, output].
"""

import contextlib
import io
import json
import multiprocessing
import os
import sys

from snakemake import cli


def dry_run(words: list[str]) -> tuple[int, str]:
    """What `snakemake WORDS` ends with, in the current folder."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            cli.main(words)
        except SystemExit as ended:
            return int(ended.code or 0), output.getvalue()
    return 0, output.getvalue()


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        json.dump(pool.map(dry_run, json.load(sys.stdin), chunksize=1), sys.stdout)
