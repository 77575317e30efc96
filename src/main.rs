//! Arguments to [`imapwarden::cli`], exit status; nothing else.
fn main() {}
