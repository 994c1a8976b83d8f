//! The `florin` executable.

use std::process::ExitCode;
use std::process::Termination as _;

use clap::Parser as _;
use florin_gateway::{Arguments, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Arguments::parse().task()).report()
}
