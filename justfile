# Short names for the commands of the day; `.ci/run` holds what they stand for.

# everything CI checks
check:
    .ci/run

# all tests
test:
    cargo test --workspace

# every parser of outside bytes, on bytes that are none
fuzz *arguments:
    scripts/fuzz {{ arguments }}

# the load benchmark: a node and an echo, loaded in turn
bench *arguments:
    cargo build --release --package florin-gateway
    cargo run --release --package florin-benches -- run {{ arguments }}

# benches/RESULTS.md, from what `just bench --json FILE` left
results *files:
    cargo run --release --package florin-benches -- results --from {{ files }}

# a server on 127.0.0.1:8080, data in ./florin-data
run *arguments:
    cargo run --release -- {{ arguments }}
