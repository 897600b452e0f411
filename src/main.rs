//! The `poppet` command: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    poppet::sys::tune();
    poppet::cli::main()
}
