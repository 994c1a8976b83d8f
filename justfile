# Short names for common commands. `.ci/run` holds the commands of the checks.

# runs everything that CI checks
check:
    .ci/run

# runs all tests that need no other service
test:
    cargo test --workspace

# fuzzes every parser of external input
fuzz *arguments:
    scripts/fuzz {{ arguments }}

# runs the load benchmark: a node and an echo in turn
bench *arguments:
    cargo build --release --package florin-gateway
    cargo run --release --package florin-benches -- run {{ arguments }}

# writes benches/RESULTS.md from the files that `just bench --json FILE` has written
results *files:
    cargo run --release --package florin-benches -- results --from {{ files }}

# starts a server on 127.0.0.1:8080 with its data in ./florin-data
run *arguments:
    cargo run --release -- {{ arguments }}
