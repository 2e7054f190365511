#!/usr/bin/env bash
# A throw-away Grid Engine on one machine, for tests: Debian or Ubuntu, root, no systemd.
#
#   gridengine_dev.sh install      Debian packages (once a machine); Debian's own Grid Engine stays off
#   gridengine_dev.sh start        sge_qmaster and sge_execd; exit 3 where the machine does not allow it
#   gridengine_dev.sh stop         kill the daemons and all that runs, by pid
#   gridengine_dev.sh status       the queues
#   gridengine_dev.sh run COMMAND  start, run COMMAND, stop
#
# One host with two queues: cores, and cards, which has GPUs. The daemons listen on every address and believe what a
# client says of itself: so they and all jobs are in a network namespace of their own, in which there is nothing else.
# Clients are found in GRIDENGINE_DEV_DIR/bin: put it first on the PATH.
#
# Settings (environment):
#   GRIDENGINE_DEV_DIR    where everything lives                     [/tmp/gridengine_dev]
#   GRIDENGINE_DEV_SLOTS  cores that each queue claims to have       [32]
#   GRIDENGINE_DEV_MEM    memory that the host claims to have        [128G]
#   GRIDENGINE_DEV_GPUS   GPUs that the queue cards claims to have   [2]
set -euo pipefail

D=${GRIDENGINE_DEV_DIR:-/tmp/gridengine_dev}
SLOTS=${GRIDENGINE_DEV_SLOTS:-32}
MEM=${GRIDENGINE_DEV_MEM:-128G}
GPUS=${GRIDENGINE_DEV_GPUS:-2}
PROGRAMS=/usr/lib/gridengine
SHIPPED=/usr/share/gridengine
NEEDED="$PROGRAMS/sge_qmaster $PROGRAMS/sge_execd $PROGRAMS/qsub ip unshare nsenter"
HOST=localhost # its name in the namespace: one that leads to 127.0.0.1 on any machine
MASTER=$D/spool/qmaster/qmaster.pid
EXECUTOR=$D/spool/execd/$HOST/execd.pid
SETTINGS="SGE_ROOT=$D/root SGE_CELL=default SGE_QMASTER_PORT=6444 SGE_EXECD_PORT=6445"
. "$(dirname "$0")/../daemons.sh"

install() {
    local i missing=""
    for i in $NEEDED; do command -v "$i" >/dev/null || missing=yes; done
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # else the packages set up a Grid Engine of their own, and start it now and with the machine
    [ -e /etc/default/gridengine ] || printf 'SGE_START_%s=no\n' MASTERD EXECD >/etc/default/gridengine
    debconf-set-selections <<<"gridengine-common shared/gridengineconfig boolean false"
    # msmtp-mta: they want something that sends mail, and this is no daemon
    apt-get install -y -qq --no-install-recommends gridengine-master gridengine-exec gridengine-client \
        msmtp-mta iproute2 >/dev/null
}

write_files() {
    local client cell=$D/root/default/common
    mkdir -p "$D"/{bin,etc,log,spool/db,spool/execd,spool/qmaster/job_scripts} "$cell"
    ln -sfn /var/lib/gridengine/{bin,lib,util,utilbin} "$D/root"
    echo "$HOST" >"$cell/act_qmaster"
    cat >"$cell/bootstrap" <<END
admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params $D/spool/db
binary_path $PROGRAMS
qmaster_spool_dir $D/spool/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
END
    # root's jobs too, no mail; a job's end is written down at once, and nodes report each second
    sed -e "s|^\(execd_spool_dir\) .*|\1 $D/spool/execd|" -e 's|^\(min_[ug]id\) .*|\1 0|' \
        -e 's|^\(administrator_mail\) .*|\1 none|' -e 's|^\(mailer\) .*|\1 /bin/true|' \
        -e 's|flush_time=[0-9:]*|flush_time=00:00:01|' -e 's|^\(load_report_time\) .*|\1 00:00:01|' \
        $SHIPPED/default-configuration >"$D/etc/configuration"
    for client in qsub qstat qdel qacct qconf qhost qmod qhold qrls; do
        cat >"$D/bin/$client" <<END
#!/bin/sh
export $SETTINGS
exec nsenter --target "\$(cat $MASTER)" --net --uts $PROGRAMS/$client "\$@"
END
        chmod 755 "$D/bin/$client"
    done
}

# command: without this shell's environment, which jobs would see
bare() { env -i PATH="$PATH" HOME="$HOME" $SETTINGS "$@"; }

start_master() {
    bare unshare --net --uts sh -ec "
        hostname $HOST
        ip link set lo up
        cd $PROGRAMS
        ./spoolinit berkeleydb libspoolb $D/spool/db init
        ./spooldefaults configuration $D/etc/configuration
        ./spooldefaults complexes $SHIPPED/util/resources/centry
        ./spooldefaults usersets $SHIPPED/util/resources/usersets
        ./spooldefaults managers root
        ./sge_qmaster"
}

# file, then edits for sed: what qconf shows, changed, in that file
edited() {
    local file=$D/etc/$1
    shift
    sed "$@" >"$file"
    printf '%s' "$file"
}

# name, complex values
add_queue() {
    # shell: csh runs job scripts, whatever their first line says, where a site left it as it once was shipped
    qconf -Aq "$(qconf -sq | edited "$1" -e "s|^\(qname\) .*|\1 $1|" -e "s|^\(hostlist\) .*|\1 $HOST|" \
        -e "s|^\(slots\) .*|\1 $SLOTS|" -e "s|^\(complex_values\) .*|\1 $2|" -e 's|^\(pe_list\) .*|\1 smp|' \
        -e 's|^\(load_thresholds\) .*|\1 NONE|' -e 's|^\(shell\) .*|\1 /bin/csh|')"
}

configure() {
    local PATH=$D/bin:$PATH
    wait_for 20 qconf -se $HOST || die "sge_execd does not report"
    qconf -as $HOST
    # memory that jobs use up, for each of their cores; GPUs, for each job
    qconf -Mc "$(qconf -sc | edited complexes -e 's|^\(mem_free .* YES  *\)NO |\1YES |' \
        -e '$a gpu gpu INT <= YES JOB 0 0')"
    # the machine may have less: what it has free counts a thousandfold
    qconf -rattr exechost complex_values "mem_free=$MEM" $HOST
    qconf -rattr exechost load_scaling mem_free=1000 $HOST
    qconf -Ap $SHIPPED/util/resources/pe/smp
    qconf -Aprj "$(printf '%s\n' 'name project' 'oticket 0' 'fshare 0' 'acl NONE' 'xacl NONE' | edited project '')"
    qconf -Msconf "$(qconf -ssconf | edited scheduler -e 's|^\(schedule_interval\) .*|\1 0:0:1|' \
        -e 's|^\(flush_[a-z]*_sec\) .*|\1 1|')"
    add_queue cores NONE
    add_queue cards "gpu=$GPUS"
}

answers() { "$D/bin/qconf" -sh; }

# its load and architecture are known, and it has no state such as unheard
all_up() { [ "$("$D/bin/qstat" -f | awk '/@/ && NF == 5 && $4 != "-NA-"' | wc -l)" = 2 ]; }

start() {
    local i
    [ "$(id -u)" = 0 ] || cannot "it needs root"
    for i in $NEEDED; do command -v "$i" >/dev/null || cannot "$i is missing: run '$0 install'"; done
    unshare --net --uts true 2>/dev/null || cannot "no namespaces"
    alive "$MASTER" sge_qmaster >/dev/null && die "runs already in $D"
    trap 'code=$?; [ $code = 0 ] || { say "not started, see $D/log"; stop; }; exit $code' EXIT
    write_files
    {
        start_master
        wait_for 20 answers || die "sge_qmaster does not answer"
        bare nsenter --target "$(cat "$MASTER")" --net --uts $PROGRAMS/sge_execd # makes the host known, too
        configure
        wait_for 20 all_up || die "the queues did not come up"
    } >>"$D/log/start.log" 2>&1
    trap - EXIT
}

# namespace -> the processes in it
inside() {
    local i
    for i in /proc/[0-9]*; do
        [ "$(readlink "$i/ns/net" 2>/dev/null)" != "$1" ] || printf '%s\n' "${i#/proc/}"
    done
}

# namespace: jobs too, and what they left behind. A daemon that is asked to end takes 7 s, and nothing of it is kept.
kill_all() {
    local processes
    processes=$(inside "$1")
    [ -n "$processes" ] || return 0
    xargs kill -9 <<<"$processes" 2>/dev/null || true
    return 1
}

stop() {
    local pid network
    if pid=$(alive "$MASTER" sge_qmaster || alive "$EXECUTOR" sge_execd); then
        network=$(readlink "/proc/$pid/ns/net")
        [ "$network" != "$(readlink /proc/self/ns/net)" ] || die "$pid is in no namespace of its own"
        wait_for 10 kill_all "$network" || die "what runs in $network does not end"
    fi
    rm -rf "$D/root" "$D/spool" # the next start begins empty, at job 1
}

status() { "$D/bin/qstat" -f -F gpu,mem_free,slots; }

command_line "$@"
