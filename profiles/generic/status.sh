#!/bin/sh
# What became of a job, in the words that Snakemake knows: running, success, failed.
#
#   status.sh gridengine|pbs|lsf SECONDS ID
#
# A job that came to its end left its exit code (job.sh). One that left none and that the scheduler does not know was
# killed, unless the code shows within SECONDS: files of another node may come late. Accounting is not asked: it comes
# late, lacks jobs that were deleted while they waited, and Grid Engine's calls what `qdel -f` killed a success.
# In doubt a job runs: a scheduler that does not answer has said nothing, and a job sent twice writes the same files.
scheduler=$1 seconds=$2 id=$3
missed=.snakemake/$id.missed # since when the scheduler has not known it

say() {
    rm -f "$missed"
    echo "$1"
    exit
}

unknown() { # does the scheduler say that it has no such job?
    case $scheduler in
    gridengine) qstat -j "$id" 2>&1 | grep -q '^Following jobs do not exist' ;;
    pbs) qstat "$id" 2>&1 | grep -Eq "Unknown Job Id|Job has finished" ;; # not tried
    lsf) bjobs -noheader -o stat "$id" 2>&1 | grep -Eq "is not found|^DONE|^EXIT" ;; # not tried
    *) echo "status.sh: the scheduler is '$scheduler', expected gridengine, pbs or lsf" >&2 && exit 2 ;;
    esac
}

trap '' INT # Ctrl-C is meant for snakemake, which takes it ill when this command dies
export LC_ALL=C
case $(cat .snakemake/tmp.*/"$id.exit" 2>/dev/null) in
0) say success ;;
?*) say failed ;;
esac
unknown || say running
now=$(date +%s)
[ -s "$missed" ] || echo "$now" >"$missed"
[ $((now - $(cat "$missed"))) -lt "$seconds" ] || say failed
echo running
