//! The `yingda` program: hands over to the command line of the library.

fn main() -> std::process::ExitCode {
    yingda::cli::run()
}
