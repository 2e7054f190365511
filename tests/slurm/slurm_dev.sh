#!/usr/bin/env bash
# A throw-away Slurm on one machine, for tests: Debian or Ubuntu, root, loopback only, no systemd, no cgroups.
#
#   slurm_dev.sh install      Debian packages (once a machine)
#   slurm_dev.sh start        munged, slurmctld and a slurmd for each node; exit 3 where the machine does not allow it
#   slurm_dev.sh stop         cancel what runs, stop the daemons that it started, by pid
#   slurm_dev.sh status       the nodes
#   slurm_dev.sh run COMMAND  start, run COMMAND, stop
#
# Three nodes that are this machine: core1 (partition cores), card1 and card2 (partition cards).
# Clients are found in SLURM_DEV_DIR/bin: put it first on the PATH.
#
# Settings (environment):
#   SLURM_DEV_DIR    where everything lives                  [/tmp/slurm_dev]
#   SLURM_DEV_PORT   first of four ports                     [26817]
#   SLURM_DEV_CPUS   cores that each node claims to have     [32]
#   SLURM_DEV_MEM    MB that each node claims to have        [128000]
#   SLURM_DEV_GPUS   GPUs that each card node claims to have [2]
set -euo pipefail

D=${SLURM_DEV_DIR:-/tmp/slurm_dev}
PORT=${SLURM_DEV_PORT:-26817}
CPUS=${SLURM_DEV_CPUS:-32}
MEM=${SLURM_DEV_MEM:-128000}
GPUS=${SLURM_DEV_GPUS:-2}
CONF=$D/etc/slurm.conf
NODES="core1 card1 card2"
HOST=$(uname -n)
HOST=${HOST%%.*}
MARK="# slurm_dev.sh"
. "$(dirname "$0")/../daemons.sh"

# a zombie counts as gone: pid 1 of a container may take seconds to reap it
gone() { ! grep -qE '^State:[[:space:]]+[^Z[:space:]]' "/proc/$1/status" 2>/dev/null; }

# pid file, program
stop_one() {
    local pid
    if pid=$(alive "$1" "$2"); then
        kill "$pid" 2>/dev/null || true
        wait_for 10 gone "$pid" || { say "$2 ($pid) did not stop: killed"; kill -9 "$pid" || true; }
    fi
    rm -f "$1"
}

install() {
    local i missing=""
    for i in munged slurmctld slurmd sbatch; do command -v $i >/dev/null || missing=yes; done
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null
}

write_files() {
    local i client port=$((PORT + 1)) nodes=""
    mkdir -p "$D"/{etc,run,log,state,bin,gpu}
    chmod 755 "$D" "$D/run" # munge wants the folder of its socket open to all, and its key closed
    [ -s "$D/etc/munge.key" ] || (umask 077; head -c 1024 /dev/urandom >"$D/etc/munge.key")
    # A GPU counts only with a file, and sets CUDA_VISIBLE_DEVICES only where that is a character device: so like /dev/null
    for i in $(seq 0 $((GPUS - 1))); do
        [ -c "$D/gpu/fake$i" ] || mknod "$D/gpu/fake$i" c 1 3 || cannot "no device can be made in $D/gpu"
    done
    for i in $NODES; do
        mkdir -p "$D/spool/$i"
        nodes+="NodeName=$i NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$port CPUs=$CPUS RealMemory=$MEM"
        [ "$i" = core1 ] || nodes+=" Gres=gpu:$GPUS"
        nodes+=$'\n'
        port=$((port + 1))
    done
    cat >"$CONF" <<END
ClusterName=dev
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.socket
# without these two the daemons listen on every address
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort=$PORT
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmctldLogFile=$D/log/slurmctld.log
StateSaveLocation=$D/state
SlurmdPidFile=$D/run/slurmd-%n.pid
SlurmdLogFile=$D/log/slurmd-%n.log
SlurmdSpoolDir=$D/spool/%n
# no cgroups, no binding to cores: works in containers; a process group is killed as a whole, orphans included
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# nodes may claim more cores and memory than there are
SlurmdParameters=config_overrides
ReturnToService=2
# jobs start and end at once, and stay visible when they are done
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
CompleteWait=0
KillWait=2
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout=30
InactiveLimit=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
$nodes
PartitionName=cores Nodes=core1 MaxTime=2-00:00:00 State=UP
PartitionName=cards Nodes=card1,card2 MaxTime=2-00:00:00 State=UP
END
    cat >"$D/etc/gres.conf" <<END
AutoDetect=off
NodeName=card[1-2] Name=gpu File=$D/gpu/fake[0-$((GPUS - 1))] Flags=nvidia_gpu_env
END
    # Not SLURM_CONF in the environment: the executor drops it before its srun inside a job. PATH travels.
    for client in sbatch srun squeue scancel sinfo scontrol sacct sacctmgr sshare; do
        printf '#!/bin/sh\nSLURM_CONF=%s exec /usr/bin/%s "$@"\n' "$CONF" "$client" >"$D/bin/$client"
        chmod 755 "$D/bin/$client"
    done
}

# The daemons listen on the address that this machine's name has: it must be loopback while they run.
name_is_loopback() { case "$(getent ahostsv4 "$HOST" | head -n 1)" in 127.*) ;; *) return 1 ;; esac; }

make_name_loopback() {
    local hosts
    name_is_loopback && return
    hosts=$(cat /etc/hosts)
    printf '127.0.0.1 %s %s\n%s\n' "$HOST" "$MARK" "$hosts" >/etc/hosts || cannot "/etc/hosts cannot be written"
    name_is_loopback || cannot "its name $HOST does not lead to 127.0.0.1"
}

restore_hosts() {
    local hosts
    grep -q "$MARK\$" /etc/hosts || return 0
    hosts=$(grep -v "$MARK\$" /etc/hosts || true)
    printf '%s\n' "$hosts" >/etc/hosts # not a new file: in containers it is mounted
}

all_idle() { [ "$("$D/bin/sinfo" -h -N -t idle -o %N | sort -u | wc -l)" = "$(wc -w <<<"$NODES")" ]; }

no_jobs() { [ -z "$("$D/bin/squeue" -h)" ]; }

start() {
    local i
    [ "$(id -u)" = 0 ] || cannot "it needs root"
    for i in munged slurmctld slurmd; do command -v $i >/dev/null || cannot "$i is missing: run '$0 install'"; done
    alive "$D/run/slurmctld.pid" slurmctld >/dev/null && die "runs already in $D"
    trap 'code=$?; [ $code = 0 ] || { say "not started, see $D/log"; stop; }; exit $code' EXIT
    write_files
    make_name_loopback
    munged --key-file="$D/etc/munge.key" --socket="$D/run/munge.socket" --pid-file="$D/run/munged.pid" \
        --log-file="$D/log/munged.log" --seed-file="$D/state/munged.seed"
    slurmctld -f "$CONF" 2>>"$D/log/start.log"
    for i in $NODES; do slurmd -N "$i" -f "$CONF" 2>>"$D/log/start.log"; done
    wait_for 20 all_idle || die "the nodes did not come up"
    trap - EXIT
}

stop() {
    local i
    if alive "$D/run/slurmctld.pid" slurmctld >/dev/null; then
        "$D/bin/scancel" --user=root --full 2>/dev/null || true
        wait_for 10 no_jobs || say "jobs did not end within 10 s"
    fi
    for i in $NODES; do stop_one "$D/run/slurmd-$i.pid" slurmd; done
    stop_one "$D/run/slurmctld.pid" slurmctld
    stop_one "$D/run/munged.pid" munged
    restore_hosts
    rm -rf "$D/state" "$D/spool" # the next start begins empty, at job 1
}

status() { "$D/bin/sinfo" -N -o '%N %T %C %m %G %P'; }

command_line "$@"
