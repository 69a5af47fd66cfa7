# Runs PostgreSQL on its own data for one demo, and removes everything after the demo: when standard input ends, because the
# demo closed it or died in any way, it ends the server and removes the folder.
#
# arguments: FOLDER PORT; the password of the server's user is in the variable PGPASSWORD
# standard output: one line, "started" or an error; the server's log is FOLDER/postgres.log
folder=$1
port=$2
pid=

# A demo that has died meanwhile does not read that line; the removal has to happen all the same.
trap : PIPE

start() {
    # The newest of Debian's packages, else the one in PATH.
    initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    initdb=${initdb:-$(command -v initdb)}
    [ -n "$initdb" ] || { echo "PostgreSQL's server (initdb) is not installed; make demo installs it on Debian and its derivatives"; return; }

    # PostgreSQL does not run as root.
    set --
    if [ "$(id -u)" -eq 0 ]; then
        user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        set -- setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups
        chown "$user" "$folder"
    fi

    (umask 077; printf %s "$PGPASSWORD" >"$folder/password")
    [ $# -eq 0 ] || chown "$user" "$folder/password"
    "$@" "$initdb" --no-sync --encoding=UTF8 --locale=C --username=segmenter --auth=scram-sha-256 \
        --pwfile "$folder/password" -D "$folder/data" >>"$folder/postgres.log" 2>&1 || { echo "initdb failed"; return; }
    # The data need not survive a crash.
    "$@" "${initdb%initdb}postgres" -D "$folder/data" -c listen_addresses=127.0.0.1 -c "port=$port" \
        -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
        </dev/null >>"$folder/postgres.log" 2>&1 &
    pid=$!
    echo started
}

start 2>/dev/null
while read -r _; do :; done

if [ -n "$pid" ]; then
    # A shell starts its background jobs with SIGQUIT ignored, so a server without its own handlers yet ends only by
    # SIGTERM; SIGQUIT ends a server with handlers without waiting for its clients.
    kill -s TERM "$pid" 2>/dev/null
    kill -s QUIT "$pid" 2>/dev/null
    # Without the shell's report of the server's end.
    { wait "$pid"; } 2>/dev/null
fi
rm -rf "$folder"
