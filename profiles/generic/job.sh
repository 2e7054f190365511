#!/bin/sh
# Run a job's script, and leave its exit code beside it, under the job's id: what came to its end says so itself.
[ -z "$WSSS_LIBRARIES" ] || export LD_LIBRARY_PATH="$WSSS_LIBRARIES" # which Grid Engine does not hand on
sh "$1"
code=$?
kept=${1%/*}/${PBS_JOBID:-${LSB_JOBID:-$JOB_ID}}.exit # as PBS, LSF and Grid Engine call the id
echo "$code" >"$kept.partial" && mv "$kept.partial" "$kept"
exit "$code"
