//! The program `qdn`.

/// Ten thousand pages take a tenth of the CPU time less than with the system's allocator, and 45 MiB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let work = std::thread::Builder::new().name("qdn".to_owned()).stack_size(qdn::build::STACK).spawn(qdn::cli::run);
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // It has said why.
        Ok(Err(_)) => std::process::ExitCode::from(101),
        Err(_) => qdn::cli::run(),
    }
}
