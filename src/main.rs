//! Arguments, then the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    grantor::cli::main()
}
