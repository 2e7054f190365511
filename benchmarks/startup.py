"""CPU time of what each stage imports before its first image, beside that of torch alone.

    PYTHONPATH=. python benchmarks/startup.py

Each row is a process of its own, which imports the command line and then all that the stage's function imports, and
does nothing else. A backbone of timm is imported when a network is built, and comes on top: it has rows of its own.
"""

import resource
import subprocess
import sys

import tyro
from timing import median_times

from wsss.cli import STAGES

LINES = """
import ast, inspect
from wsss.cli import STAGES
tree = ast.parse(inspect.getsource(inspect.getmodule(STAGES["{stage}"])))
imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
exec(compile(ast.Module(imports, []), "{stage}", "exec"))
"""
"""What a stage imports, at the top and in its function."""

ALONE = {
    "import torch": "import torch",
    "import torch._dynamo": "import torch._dynamo",
    "import lightning_fabric": "import lightning_fabric",
    "import torchvision": "import torchvision",
    "import timm": "import timm",
}


def user_seconds() -> float:
    """CPU time of the processes that were started and have ended, without the kernel's."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def main(repeats: int = 5) -> None:
    """Print a table of start-up times.

    Args:
        repeats: processes a row, after one that is not timed.
    """
    code = ALONE | {stage: LINES.format(stage=stage) for stage in STAGES}
    variants = {
        name: lambda lines=lines: subprocess.run([sys.executable, "-c", lines], check=True)
        for name, lines in code.items()
    }
    times = median_times(variants, repeats, user_seconds)
    print("| | s of CPU | of torch alone |\n|---|---:|---:|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.2f} | {seconds / times['import torch']:.2f} |")


if __name__ == "__main__":
    tyro.cli(main)
