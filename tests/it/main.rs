//! The program from outside: sessions as text, replays of real servers, real servers and clients.
#![allow(missing_docs)]

/// Which module may use which: the table, held against every `crate::` in `src/`.
mod architecture;
/// Query, reports and simulation over a log that was prepared.
mod audit_tools;
/// What the bench of the peers reckons before it measures.
mod benches;
/// Arguments, output and exit status.
mod command_line;
/// The demo's upstream, over a real socket.
mod demo_server;
/// What is shipped beside the program: alerts, runbooks, the unit.
mod deploy;
/// Broken configurations and rules beside the exact text that `check` prints.
mod diagnostics;
/// Every command in README.md, run; every rule in the documents, loaded.
mod documents;
/// One session, driven without a socket: what it wants done, in strings.
mod driver;
/// What the fuzz targets check, over random bytes and every crash that was found.
mod fuzz;
/// Headers judged by the thousand.
mod judging;
/// A mailbox of 100,000 messages, many sessions, and a restart.
mod large;
/// Budgets that sessions share, and that outlive them.
mod limits;
/// Rules that hide messages, changing under an open session.
mod messages;
/// Mistakes that people make, and what is sound: what `check` says of each.
mod mistakes;
/// Accounts that differ only in what rules hide, and random sessions that must not tell them apart.
mod pair;
/// Parts of messages by the thousand.
mod parts;
/// `test` and `explain`: consoles that show every word.
mod policy_tools;
/// Real clients, a real Dovecot, and the proxy between them.
mod real;
/// What real servers said, through a session without rules: the client gets the same bytes.
mod replay;
/// The program while it runs: start, reload, drain, stop.
mod running;
/// What `schema` prints, held against files that load and files that do not.
mod schema;
/// Every way around rules that is known, and the test that holds it.
mod surface;
/// `transcripts/**/*.txt`: one behaviour each, played whole, byte by byte and at random cuts.
mod transcripts;
/// Units of systemd: `systemd-analyze` on each, and on broken copies.
mod units;
