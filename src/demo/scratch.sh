# Runs PostgreSQL on data of its own for one demo and outlives it by no more than the cleaning up: when standard input ends,
# because the demo closed it or died in whatever way, the server is ended and the folder removed.
#
# arguments: FOLDER BINARIES PORT [PREFIX...]; the prefix makes a command line run as another user.
# standard output: one line, "started" or "failed"; what the server says goes to FOLDER/postgres.log.
folder=$1
binaries=$2
port=$3
shift 3
pid=

# To say "started" to a demo that has died meanwhile must not end this shell: there is something to clear up.
trap : PIPE

if "$@" "$binaries/initdb" --no-sync --encoding=UTF8 --locale=C --username=segmenter --auth=scram-sha-256 \
    --pwfile "$folder/password" -D "$folder/data" >>"$folder/postgres.log" 2>&1; then
    # Nothing of it has to survive a crash.
    "$@" "$binaries/postgres" -D "$folder/data" -c listen_addresses=127.0.0.1 -c "port=$port" \
        -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
        </dev/null >>"$folder/postgres.log" 2>&1 &
    pid=$!
    echo started 2>/dev/null
else
    echo failed 2>/dev/null
fi

while read -r _; do :; done

if [ -n "$pid" ]; then
    # A shell starts its background jobs with SIGQUIT ignored, so one that has not got to its own handlers yet ends by
    # SIGTERM only; to one that has, SIGQUIT says not to wait for its clients.
    kill -s TERM "$pid" 2>/dev/null
    kill -s QUIT "$pid" 2>/dev/null
    # It would say how the server ended.
    { wait "$pid"; } 2>/dev/null
fi
rm -rf "$folder"
