//! The program `qdn`.

/// Ten thousand pages take a tenth of the CPU time less than with the system's allocator, and 45 MiB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    qdn::cli::run()
}
