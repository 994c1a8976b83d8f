# Sourced by scripts that need a server: `start_florin WORK` builds the debug executable, starts it on a
# free port with its data in WORK, and sets `base` to its address; `stop_florin` ends that process alone.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
florin_pid=
base=

start_florin() {
    local work=$1
    if [ -z "${FLORIN:-}" ]; then
        (cd "$root" && cargo build --quiet --workspace --bin florin)
        FLORIN=${CARGO_TARGET_DIR:-$root/target}/debug/florin
    fi
    # In a folder of its own, no settings file is found.
    mkdir -p "$work/server"
    (cd "$work/server" && exec "$FLORIN" serve --port 0 --data-dir "$work/server/data") \
        > "$work/server.log" 2>&1 &
    florin_pid=$!
    for _ in $(seq 600); do
        base=$(sed -n 's/^Florin listens on \(http:[^,]*\),.*/\1/p' "$work/server.log")
        [ -z "$base" ] || return 0
        kill -0 "$florin_pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start:" >&2
    cat "$work/server.log" >&2
    return 1
}

stop_florin() {
    [ -n "$florin_pid" ] || return 0
    kill -TERM "$florin_pid" 2>/dev/null || true
    wait "$florin_pid" 2>/dev/null || true
    florin_pid=
}
