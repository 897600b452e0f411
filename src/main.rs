//! The `poppet` command: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    poppet::memory::tune();
    poppet::cli::main()
}
