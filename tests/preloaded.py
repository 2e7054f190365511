"""`python`, `wsss` and `snakemake` for tests: forks of one process that has imported what takes seconds.

Nothing of wsss is imported before the fork: a program takes it from its own PYTHONPATH, and has its own folder,
environment, streams, process group and exit status. Tests of what a process does as it starts take the real ones.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HEAVY = ("torch", "torch._dynamo", "torchvision", "timm", "lightning_fabric", "matplotlib.pyplot", "scipy.ndimage")
HEAVY += ("h5py", "jaxtyping", "jinja2", "PIL.Image", "safetensors.torch", "snakemake.cli", "tqdm", "tyro", "yaml")

COMMAND = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    status = int(server.recv(8) or 70)
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""Hands its words, folder, environment and streams over, and ends as what is done with them ended."""


def started() -> Path:
    """The folder of the three commands of a process that ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded"))
    atexit.register(shutil.rmtree, folder)
    address = str(folder / "socket")
    for name in ("python", "wsss", "snakemake"):
        (folder / name).write_text(COMMAND.format(python=sys.executable, address=address, name=name))
        (folder / name).chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        words = [sys.executable, __file__, str(folder), str(listener.fileno())]
        server = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment, pass_fds=[listener.fileno()])
    atexit.register(server.communicate)
    return folder


commands = functools.cache(started)
"""The folder of the three commands."""

commands_of_another = functools.cache(started)
"""The same of another process, in which sets have another order: what must not decide a result."""


def serve(folder: Path, listener: socket.socket) -> None:
    """Fork for each command, and tell it how that ended; until stdin ends."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while 0 not in (ready := select.select([0, listener, *running], [], [])[0]):
        for each in ready:
            if each is listener:
                connection, _ = listener.accept()
                process = os.fork()
                if not process:
                    listener.close()
                    become(folder, connection)
                running[os.pidfd_open(process)] = process, connection
            else:
                process, connection = running.pop(each)
                os.close(each)
                status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                with connection, suppress(OSError):  # the command may have been killed
                    connection.send(str(status).encode())


def become(folder: Path, connection: socket.socket) -> None:
    """Do in this process what a command asks for; never returns."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    with connection, connection.makefile() as lines:
        name, words, place, environment = json.load(lines)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, 1, closefd=False) for n, mode in enumerate("rww"))
    os.setsid()
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    if name == "snakemake":
        sys.executable = str(folder / "python")  # beside which the workflow looks for wsss
    status = 1  # of an exception

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)  # to take down what was imported would take half a second

    atexit.register(end)  # after what the program registers
    try:
        carry_out(words if name == "python" else ["-m", name, *words])
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    sys.exit()


def carry_out(words: list[str]) -> None:
    """What `python WORDS` does, with a module, a program or a file."""
    how, *rest = words
    sys.argv = words if how not in ("-c", "-m") else [how, *rest[1:]]
    sys.path.insert(0, str(Path.cwd()) if how in ("-c", "-m") else str(Path(how).parent))
    if how == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how == "-c":
        exec(rest[0], {"__name__": "__main__"})
    else:
        runpy.run_path(how, run_name="__main__")


if __name__ == "__main__":
    for module in HEAVY:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # else each fork would copy what it only counts
    serve(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
