"""The one exception that a user is meant to see, and which others are no bug but the machine's."""

import errno
import traceback
from collections.abc import Sequence
from pathlib import Path

MOST_PROBLEMS = 20
"""Problems that one error lists: more are counted."""


class WsssError(Exception):
    """Something the user can fix: its text names the thing, what is wrong with it, and the way out.

    The command line prints the text after "error: " and exits with status 1, without a traceback.
    """


def refuse(problems: list[str], title: str) -> None:
    """Raise one error that lists the problems, a line each; do nothing where there is none."""
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [f"... and {more} more"] if more > 0 else []
        raise WsssError("\n  ".join([f"{title} ({len(problems)} found):", *problems[:MOST_PROBLEMS], *rest]))


def require(given: Sequence[object], option: str, what: str) -> None:
    """Refuse an option that takes several values and was given none."""
    if not given:
        raise WsssError(f"no {option} are given: name {what} after --{option}")


REMEDIES = {
    errno.ENOSPC: "free some space on that disk, and run the same command again",
    errno.EDQUOT: "free some space of your quota, and run the same command again",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or write to another disk",
    errno.ENOENT: "it was removed, or never there: put it there, or name another",
    errno.EACCES: "allow this user to use it, or name another place",
    errno.EPERM: "allow this user to use it, or name another place",
    errno.EROFS: "name a place on a disk that can be written",
    errno.EISDIR: "a folder stands where a file should: move it away",
    errno.ENOTDIR: "a file stands where a folder should: move it away",
    errno.EEXIST: "a file stands where a folder should: move it away",
    errno.ENOTEMPTY: "a folder stands where a file should: move it away",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "its links go in a circle: mend them",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or give fewer --threads",
    errno.ENFILE: "close other programs, or give fewer --threads",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or give fewer --threads",
    errno.ENOMEM: "give more memory, fewer --threads or smaller photographs",
    errno.EBADF: "a standard stream is not open for writing: redirect it to a file",
    errno.EIO: "the disk fails: write to another one",
    errno.ESTALE: "the disk of another machine was lost: mount it again",
}
"""What to do about an error of the operating system; no code is to blame for these."""

OF_NO_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)
"""Errors of reading that do not say that a file is damaged: what is in it may be whole."""


def pass_on(error: BaseException) -> None:
    """Raise it again where it is one of OF_NO_FILE: who took it for damage would remove the file, or start again."""
    if isinstance(error, OSError) and error.errno in OF_NO_FILE:
        raise error


NO_MEMORY = "not enough memory: give more of it, fewer --threads, smaller photographs or a smaller batch_size"

OF_TORCH = (
    "can't allocate memory",
    "out of memory",
    "Cannot allocate memory",
    "can't start new thread",
    "failed to map",
)
"""What torch, Python and the loader of libraries say where memory or processes run out, in errors without a number."""


def of_the_machine(error: BaseException) -> str | None:
    """One line with the way out, where a machine and not a program is to blame: disks, permissions, memory, limits."""
    if isinstance(error, FileNotFoundError) and not _stands_in_a_folder():
        return "the working folder was removed: change into another one, and run the same command again"
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return f"{error}: {REMEDIES[error.errno]}"
    if isinstance(error, OSError) and "AF_UNIX path too long" in str(error):  # sockets of processes lie below TMPDIR
        return "the path of the folder for temporary files is too long: set TMPDIR to a shorter one, such as /tmp"
    if isinstance(error, UnicodeEncodeError):
        return f"{error}: name it with other letters, or let this machine write all of them (LC_ALL=C.UTF-8)"
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if compiled := _damaged_bytecode(error):
        return f"{compiled}, which Python compiled, is damaged ({error}), as a full disk can leave it: delete it"
    if isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in OF_TORCH):
        return f"{NO_MEMORY} ({str(error).strip().splitlines()[0][:200]})"
    return None


def _damaged_bytecode(error: BaseException) -> str | None:
    """The compiled module that could not be read, where an import ended by it: Python overlooks that a disk is full."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_compile_bytecode":  # of Python's importlib
            return frame.f_locals["bytecode_path"]
    return None


def _stands_in_a_folder() -> bool:
    """Whether the working folder is still there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
