//! Arguments to [`imapwarden::cli`], exit status; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    imapwarden::cli::main()
}
