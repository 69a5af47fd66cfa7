# Runs one server for a test process: when standard input ends, because the test process closed it or died in any way, the
# server is killed and its folder removed.
#
# arguments: FOLDER END-SIGNAL COMMAND [ARGUMENT...]; the server's output goes to FOLDER/log.
# standard input: start | stop SIGNAL | signal SIGNAL PID; each is answered with one line.
folder=$1
end=$2
shift 2
pid=

stop() {
    [ -n "$pid" ] || return 0
    kill -s "$1" "$pid"
    # A paused process does not handle the signal.
    kill -s CONT "$pid"
    wait "$pid"
    pid=
}

while read -r order arguments; do
    case $order in
    start)
        # A session of its own: a Ctrl-C for the tests must not reach the server before its clients have ended.
        setsid "$@" </dev/null >>"$folder/log" 2>&1 &
        pid=$!
        echo "$pid"
        ;;
    stop)
        stop "$arguments" 2>/dev/null
        echo stopped
        ;;
    signal)
        kill -s "${arguments% *}" "${arguments#* }" 2>/dev/null
        echo signalled
        ;;
    esac
done

stop "$end" 2>/dev/null
rm -rf "$folder"
