//! The program `qdn`.

fn main() -> std::process::ExitCode {
    qdn::cli::run()
}
