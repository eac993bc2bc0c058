//! The program `qdn`.

/// Pages are made of many short-lived texts, on all cores at once: measured, this allocator saves a
/// tenth of a build's CPU time (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    qdn::cli::run()
}
