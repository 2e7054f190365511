"""PSA on a throw-away Slurm, through profiles/slurm: the same results as on one machine, whatever befalls its jobs.

Each stage that goes over images is cut in three, a training is cancelled midway, and a node is closed for a while.
Threads are held to the same number in both runs: with another, sums are taken in another order, and weights differ.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import clusters
import projects
import pytest
import torch

from wsss.networks import file

SLURM_DEV = Path(__file__).parent / "slurm_dev.sh"
SITE = {"slurm_account: project": "", "partition: cpu": "partition: cores", "&gpu gpu": "&gpu cards"}
# two processes on one node, and two on each of two: what is written into the profile for the training
SPREAD = {
    "one_node": "gpu: 2",
    "two_nodes": "gpu: 4, nodes: 2, tasks_per_node: 2, mpi: srun, "
    'launch: "srun --nodes=2 --ntasks-per-node=2 --cpus-per-task=2 --kill-on-bad-exit=1"',
}
SOON = ["--slurm-init-seconds-before-status-checks", 10]  # then after 20 more: these jobs take 15 to 30

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The environment in which the commands of a Slurm of our own are found."""
    folder = tmp_path_factory.mktemp("slurm")
    for above in (folder, *folder.parents):  # munge wants a path that all may enter
        if above.stat().st_uid != 0 or above.stat().st_mode & 0o055 == 0o055:
            break
        above.chmod(0o755)
    with clusters.started(SLURM_DEV, SLURM_DEV_DIR=str(folder), SLURM_DEV_PORT=str(free_port())):
        yield {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def free_port():
    """The first of four ports in a row that nobody listens on."""
    for first in range(26817, 32000, 4):
        with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
            for port in range(first, first + 4):
                opened.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project at a site of its own: the three lines of the profile are changed."""
    copy = projects.copied(tmp_path_factory.mktemp("pipeline") / "project")
    clusters.at_site(copy, "slurm", SITE)
    return copy


@pytest.fixture(scope="module")
def at_home(project):
    """Results of a run on this machine."""
    return clusters.at_home(project)


@pytest.fixture(scope="module")
def log_of_cluster(project, clients):
    """What Snakemake says of a run on the cluster that is disturbed; its results are in `cluster`."""
    options = ["--workflow-profile", "profiles/slurm", "--set-scatter", "shards=3"]
    options += SOON
    with clusters.running(project, *options, **clients) as run:
        cancel_training(run, clients, project / "cluster/results")
        close_node(run, clients)
    return (project / "cluster.log").read_text()


def slurm(clients, *command):
    environment = {**os.environ, **clients}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def jobs(clients):
    """All jobs, those that are done included, as (id, rule, partition, state, GPUs)."""
    listed = slurm(clients, "scontrol", "--oneliner", "show", "jobs").splitlines()
    told = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in listed if line.startswith("JobId=")]
    return [
        (job["JobId"], rule_in(job["Comment"]), job["Partition"], job["JobState"], job.get("TresPerJob", ""))
        for job in told
    ]


def rule_in(comment):
    return re.match(r"rule_(\w+?)(_wildcards_.*)?$", comment)[1]


def cancel_training(run, clients, results):
    clusters.until((results / "checkpoints/classifier.pt").exists, run, "a checkpoint of the classifier")
    (job,) = [number for number, rule, _, state, _ in jobs(clients) if rule == "classifier" and state == "RUNNING"]
    slurm(clients, "scancel", job)


def close_node(run, clients):
    """Close the node of the CPU jobs while activation maps are made, until a job waits for it."""

    def in_state(where, what):
        return [rule for _, rule, partition, state, _ in jobs(clients) if where in (rule, partition) and state == what]

    clusters.until(lambda: in_state("cams", "RUNNING"), run, "activation maps")
    slurm(clients, "scontrol", "update", "NodeName=core1", "State=DRAIN", "Reason=test")
    clusters.until(lambda: in_state("cores", "PENDING"), run, "a job for the closed node")
    time.sleep(3)
    assert in_state("cores", "PENDING")
    slurm(clients, "scontrol", "update", "NodeName=core1", "State=RESUME")


def test_the_profile_is_used(log_of_cluster):
    assert "Using workflow specific profile profiles/slurm" in log_of_cluster
    assert "SLURM run ID" in log_of_cluster


def test_each_rule_runs_where_it_belongs(log_of_cluster, clients):
    places = {(rule, partition, gpus) for _, rule, partition, _, gpus in jobs(clients)}
    on_cards = {"classifier", "cams", "affinity_net", "pseudo_masks", "psa_segmenter", "scores"}
    on_cores = {"training_images", "images", "affinity_labels", "masks", "miou"}
    assert {rule for rule, partition, _ in places if partition == "cards"} == on_cards
    assert {rule for rule, partition, _ in places if partition == "cores"} == on_cores
    assert all(("gpu:1" in gpus) == (partition == "cards") for _, partition, gpus in places)


def test_a_cancelled_training_is_sent_again_and_goes_on(log_of_cluster, project, clients):
    states = sorted(state for _, rule, _, state, _ in jobs(clients) if rule == "classifier")
    assert states == ["CANCELLED", "COMPLETED"]
    assert "Trying to restart job" in log_of_cluster
    said = (project / "cluster/results/logs/classifier.log").read_text()
    assert re.search(r"training resumes at step [1-9]\d* of", said)


def test_nothing_else_failed(log_of_cluster, clients):
    assert [rule for _, rule, _, state, _ in jobs(clients) if state != "COMPLETED"] == ["classifier"]


def test_stores_are_the_same(log_of_cluster, at_home, project):
    clusters.assert_same_stores(at_home, project / "cluster/results", shards=3)


def test_weights_are_the_same(log_of_cluster, at_home, project):
    clusters.assert_same_weights(at_home, project / "cluster/results")


def test_the_table_is_the_same(log_of_cluster, at_home, project):
    assert (project / "cluster" / clusters.TARGET).read_text() == (at_home.parent / clusters.TARGET).read_text()


def affinity_net_of(project, name, *options, **environment):
    """Weights of AffinityNet, trained on the labels that the run on this machine made, in a folder of their own."""
    folder = project / name
    shutil.copytree(project / "home/results", folder / "results")
    network = folder / "results/affinity_net.safetensors"
    network.unlink()
    # without dropout; in float64 and with fixed statistics two processes do what one does
    (project / "exact.yaml").write_text("affinity_net: {freeze: true, precision: 64-true}")
    target = ["--directory", folder, "--configfile", "tiny.yaml", "exact.yaml", "--", network.relative_to(folder)]
    command = projects.command(*options, "--max-threads", 2, *target)
    run = projects.ended(*command, folder=project, **environment)
    assert run.returncode == 0, run.stdout + run.stderr
    weights, _ = file.read(network)
    return weights


@pytest.fixture(scope="module")
def by_one_process(project, at_home):
    return affinity_net_of(project, "one", "--cores", 2)


@pytest.mark.parametrize("spread", SPREAD)
def test_processes_that_share_a_training_do_what_one_does(project, clients, by_one_process, spread):
    text = (project / "profiles/slurm/profile.yaml").read_text()
    alone = "affinity_net: {slurm_partition: *gpu}"
    assert alone in text
    profile = project / f"profiles/{spread}/profile.yaml"
    profile.parent.mkdir()
    profile.write_text(text.replace(alone, f"affinity_net: {{slurm_partition: *gpu, {SPREAD[spread]}}}"))
    # the nodes of this cluster have names that no name server knows
    environment = {**clients, "MASTER_ADDR": "127.0.0.1"}
    together = affinity_net_of(project, spread, "--workflow-profile", f"profiles/{spread}", *SOON, **environment)
    torch.testing.assert_close(together, by_one_process, rtol=0, atol=1e-5)
    *_, last = [
        line for line in slurm(clients, "scontrol", "-o", "show", "jobs").splitlines() if "affinity_net" in line
    ]
    nodes, gpus = (1, 2) if spread == "one_node" else (2, 4)
    assert f"NumNodes={nodes}" in last and f"gpu:{gpus}" in last
