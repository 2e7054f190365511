"""Puts Snakefile, rules, configuration, presets and profiles into the wheel; here they stay at the top level."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
PARTS = ("Snakefile", "config.yaml", "workflow", "presets", "profiles")


class WithWorkflow(build_py):
    """Copies the workflow to `wsss/pipeline` of what is built; an editable install uses it where it is."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "wsss", "pipeline")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in PARTS:
            source = HERE / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(source, target)


setup(cmdclass={"build_py": WithWorkflow})
