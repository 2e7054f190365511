"""PSA on a throw-away Grid Engine, through profiles/generic: a training that is killed without a word is sent again.

Each stage that goes over images is cut in two, and the results are those of a run on one machine.
"""

import contextlib
import os
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import clusters
import projects
import pytest

GRIDENGINE_DEV = Path(__file__).parent / "gridengine_dev.sh"
GENERIC = projects.ROOT / "profiles/generic"
PROGRAMS = Path("/usr/lib/gridengine")  # Debian's
SITE = {"queue: cpu": "queue: cores", "&gpu gpu": "&gpu cards"}  # the account, project, is one
SOON = {'status.sh" gridengine 60\n': 'status.sh" gridengine 5\n'}  # no file of another node is waited for here

pytestmark = pytest.mark.gridengine


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """The folder of a Grid Engine of our own."""
    folder = tmp_path_factory.mktemp("gridengine")
    with clusters.started(GRIDENGINE_DEV, GRIDENGINE_DEV_DIR=str(folder)):
        yield folder


@pytest.fixture(scope="module")
def clients(cell):
    """The environment in which its commands are found."""
    return {"PATH": f"{cell / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    copy = projects.copied(tmp_path_factory.mktemp("pipeline") / "project")
    clusters.at_site(copy, "generic", {**SITE, **SOON})
    return copy


@pytest.fixture(scope="module")
def home(project):
    """Results of a run on this machine, still to come: it goes on beside the other, most of whose time is waiting."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(clusters.at_home, project)


@pytest.fixture(scope="module")
def disturbed(project, clients, home):
    """What Snakemake and Grid Engine say of a run, and which of its jobs was killed; its results are in `cluster`."""
    options = ["--workflow-profile", "profiles/generic", "--set-scatter", "shards=2"]
    options += ["--seconds-between-status-checks", 1]
    with clusters.running(project, *options, **clients) as run:
        killed = kill_training(run, clients, project / "cluster/results")
    log = (project / "cluster.log").read_text()
    jobs = {number: account(clients, number) for number in re.findall(r"with external jobid '(\d+)'", log)}
    return log, jobs, killed


def kill_training(run, clients, results):
    """Take the classifier's job away once it has a checkpoint; the job's id."""
    clusters.until((results / "checkpoints/classifier.pt").exists, run, "a checkpoint of the classifier")
    listed = ElementTree.fromstring(ask(clients, "qstat", "-xml", "-s", "r"))
    names = {job.findtext("JB_job_number"): job.findtext("JB_name") for job in listed.iter("job_list")}
    (job,) = [number for number, name in names.items() if name == "wsss.classifier"]
    ask(clients, "qdel", "-f", job)
    return job


def ask(clients, *command, folder=None):
    environment = {**os.environ, **clients}
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout


def account(clients, job):
    """What Grid Engine says of a job, which it does some seconds after its end."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.CalledProcessError):
            return dict(re.findall(r"^(\w+) +(.*?) *$", ask(clients, "qacct", "-j", job), re.M))
        time.sleep(0.2)
    raise AssertionError(f"no account of job {job}")


def rule_of(job):
    return job["jobname"].removeprefix("wsss.")


def test_the_profile_is_used(disturbed):
    log, *_ = disturbed
    assert "Using workflow specific profile profiles/generic" in log
    assert "with external jobid" in log


def test_each_rule_runs_where_it_belongs(disturbed):
    _, jobs, _ = disturbed
    on_cards = {"classifier", "cams", "affinity_net", "pseudo_masks", "psa_segmenter", "scores"}
    on_cores = {"training_images", "images", "affinity_labels", "masks", "miou"}
    assert {rule_of(job) for job in jobs.values() if job["qname"] == "cards"} == on_cards
    assert {rule_of(job) for job in jobs.values() if job["qname"] == "cores"} == on_cores
    assert all(("gpu=1," in job["category"]) == (job["qname"] == "cards") for job in jobs.values())


def test_a_killed_training_is_sent_again_and_goes_on(disturbed, project):
    log, _, killed = disturbed
    assert re.findall(r"^    external_jobid: (.*)$", log, re.M) == [killed]
    assert log.count("Trying to restart job") == 1
    said = (project / "cluster/results/logs/classifier.log").read_text()
    assert re.search(r"training resumes at step [1-9]\d* of", said)


def test_nothing_else_failed_or_was_sent_twice(disturbed):
    log, jobs, killed = disturbed
    assert re.findall(r"Error in rule (\w+)", log) == ["classifier"]
    others = [job for number, job in jobs.items() if number != killed]
    assert {(job["failed"].split()[0], job["exit_status"].split()[0]) for job in others} == {("0", "0")}
    cut = {"cams", "affinity_labels", "pseudo_masks", "scores", "masks"}
    assert Counter(map(rule_of, others)) == {rule_of(job): 2 if rule_of(job) in cut else 1 for job in others}


def test_results_are_the_same(disturbed, home, project):
    ours, theirs = home.result(), project / "cluster/results"
    clusters.assert_same_stores(ours, theirs, shards=2)
    clusters.assert_same_weights(ours, theirs)
    assert (theirs.parent / clusters.TARGET).read_text() == (ours.parent / clusters.TARGET).read_text()


def send(clients, folder, script, *options):
    """The id of a job that runs a script as Snakemake's are run."""
    path = folder / ".snakemake/tmp.test/script.sh"
    path.parent.mkdir(parents=True)
    path.write_text(script)
    options = ["-terse", "-V", "-cwd", "-S", "/bin/sh", "-j", "y", "-o", "/dev/null", *options]
    return ask(clients, "qsub", *options, GENERIC / "job.sh", path, folder=folder).strip()


def status(clients, folder, job, seconds=0):
    return ask(clients, "sh", GENERIC / "status.sh", "gridengine", str(seconds), job, folder=folder).strip()


def outcome(clients, folder, job):
    """What is said of a job once it no longer runs."""
    end = time.monotonic() + 60
    while (said := status(clients, folder, job, seconds=2)) == "running" and time.monotonic() < end:
        time.sleep(0.2)
    return said


@pytest.mark.parametrize(("code", "said"), [(0, "success"), (3, "failed")])
def test_a_job_that_ends_says_how(clients, tmp_path, code, said):
    job = send({**clients, "WSSS_LIBRARIES": "/some/lib"}, tmp_path, f'echo "$LD_LIBRARY_PATH" >seen; exit {code}')
    assert outcome(clients, tmp_path, job) == said
    assert (tmp_path / "seen").read_text() == "/some/lib\n"


def test_a_job_that_is_deleted_by_force_failed(clients, tmp_path):
    job = send(clients, tmp_path, "touch began; sleep 600")
    end = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert status(clients, tmp_path, job) == "running"
        assert time.monotonic() < end
    ask(clients, "qdel", "-f", job)
    assert outcome(clients, tmp_path, job) == "failed"
    assert account(clients, job)["exit_status"].split()[0] == "0"  # which is why it is not asked


def test_a_job_that_waits_is_running_until_it_is_deleted(clients, cell, tmp_path):
    job = send(clients, tmp_path, "", "-h")
    assert status(clients, tmp_path, job) == "running"
    ask(clients, "qdel", job)
    # outside the network of the daemons: nobody answers
    alone = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "SGE_ROOT": str(cell / "root")}
    assert status(alone, tmp_path, job) == "running"
    assert status(clients, tmp_path, job, seconds=60) == "running"  # a word of it may come late
    assert outcome(clients, tmp_path, job) == "failed"
