# What the scripts of throw-away clusters share; read by them with `.`

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }
cannot() { say "this machine does not allow it: $*"; exit 3; }

# pid file, program -> pid, if that process still is the program that was started (pids are used again)
alive() {
    local pid
    [ -s "$1" ] || return 1
    pid=$(cat "$1")
    case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in *"$2"*) printf '%s' "$pid" ;; *) return 1 ;; esac
}

# seconds, command: try until it works, with a deadline
wait_for() {
    local end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do [ "$(date +%s)" -lt "$end" ] || return 1; sleep 0.05; done
}

run() {
    start
    trap stop EXIT
    PATH=$D/bin:$PATH "$@"
}

# the script's words: one of its functions, or its own head
command_line() {
    case "${1:-}" in
    install | start | stop | status) "$1" ;;
    run) shift; run "$@" ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
}
