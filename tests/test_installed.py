"""An install without a clone: the wheel, in an environment and a folder of its own, runs the tiny configuration."""

import os
import shutil
import signal
import site
import subprocess
import sys
import time
import venv

import projects
import pytest

TINY = "images: {shapes_train: 3, shapes_val: 2, shapes_size: 64}\n"


@pytest.fixture(scope="module")
def wsss(tmp_path_factory):
    """The command of an environment that has the wheel, and of this one the packages that it needs."""
    folder = tmp_path_factory.mktemp("installed")
    project = projects.copied(folder / "project")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "presets", "LICENSE"):
        source = projects.ROOT / name
        shutil.copytree(source, project / name) if source.is_dir() else shutil.copy(source, project)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", folder, project], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env/bin/python"
    subprocess.run([*pip, "--python", python, "install", *offline, wheel], check=True)
    (own,) = (folder / "env/lib").glob("python*/site-packages")
    (own / "packages.pth").write_text("\n".join(site.getsitepackages()))
    shutil.rmtree(project)
    return folder / "env/bin/wsss"


def environment():
    names = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONUNBUFFERED")
    return {name: value for name, value in os.environ.items() if name not in names}


def ended(wsss, *words, folder):
    return subprocess.run(
        [wsss, *map(str, words)], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def said(run):
    return run.stdout + run.stderr


def test_the_first_stages_run_in_any_folder(wsss, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    run = ended(wsss, "run", "--cores", 1, "--configfile", "tiny.yaml", "--", "results/images.csv", folder=tmp_path)
    assert run.returncode == 0, said(run)
    assert len((tmp_path / "results/images.csv").read_text().splitlines()) == 1 + 5
    log = (tmp_path / "results/logs/images.log").read_text()
    assert "for wsss run --cores 1 --configfile tiny.yaml -- results/images.csv" in log
    assert "images: done in" in said(run)


def test_presets_and_profiles_come_with_it(wsss, tmp_path):
    words = ("run", "-n", "--cores", 1, "--configfile", "presets/voc12_animals.yaml")
    run = ended(wsss, *words, "--", "results/images.csv", folder=tmp_path)
    assert run.returncode == 0, said(run)
    assert "cat=8" in said(run)
    slurm = ended(wsss, *words, "--workflow-profile", "profiles/slurm", folder=tmp_path)
    assert "profiles/slurm" in said(slurm)
    assert "pipeline/profiles/slurm" in said(slurm)


def test_the_page_of_the_configuration_is_that_of_the_installation(wsss, tmp_path):
    run = ended(wsss, "configuration", folder=tmp_path)
    assert run.returncode == 0, said(run)
    assert run.stdout == (projects.ROOT / "docs/configuration.md").read_text()


def test_the_exit_status_is_snakemakes(wsss, tmp_path):
    run = ended(wsss, "run", "--cores", 1, "--", "results/nothing.txt", folder=tmp_path)
    assert run.returncode == 1
    assert "No rule to produce results/nothing.txt" in said(run)


def test_without_a_clone_init_ends_in_the_command_that_works(wsss, tmp_path):
    from PIL import Image

    for name in ("cat/a.png", "dog/b.png"):
        path = tmp_path / "photographs" / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (16, 12), "grey").save(path)
    run = ended(wsss, "init", "photographs", folder=tmp_path)
    assert run.returncode == 0, said(run)
    assert "wsss run --cores 8 --configfile mine.yaml" in said(run)
    dry = ended(wsss, "run", "-n", "--cores", 1, "--configfile", "mine.yaml", folder=tmp_path)
    assert dry.returncode == 0, said(dry)


def test_the_lock_of_a_killed_run_is_taken_away(wsss, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    long = "classifier={epochs: 1000}"  # it must not end before it is killed, however slow the machine is
    words = [
        "run",
        "--cores",
        "1",
        "--configfile",
        "tiny.yaml",
        "--config",
        long,
        "--",
        "results/classifier.safetensors",
    ]
    running = subprocess.Popen(
        [wsss, *words], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    began = time.monotonic()
    while not (tmp_path / "results/logs/classifier.log").exists():
        assert running.poll() is None and time.monotonic() - began < 120
        time.sleep(0.2)
    beside = ended(wsss, *words[:-1], "results/images.csv", folder=tmp_path)
    assert beside.returncode == 1  # the lock of a run that is alive stays
    assert "LockException" in said(beside)
    running.send_signal(signal.SIGKILL)
    running.wait()
    after = ended(wsss, *words[:-1], "results/images.csv", folder=tmp_path)
    assert after.returncode == 0, said(after)
    assert "taking away the lock of a run that was killed" in said(after)
    assert list((tmp_path / ".snakemake/wsss_runs").iterdir()) == []
