//! A disk that is full, or only to be read, under the log: nothing happens that is not recorded, and all goes on by itself.

use std::io::Write as _;

use super::client::Client;
use super::dovecot::Dovecot;
use super::place::{output, tool, until};
use super::proxy::{PROGRAM, Proxy, Settings, get};

/// Room for what is reserved for the last records, and a little more.
pub(super) const MEBIBYTES: u32 = 40;

#[test]
fn a_full_disk_refuses_what_it_cannot_record_and_takes_up_again() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).signed().on_tmpfs(MEBIBYTES).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("UID FETCH 1 (BODY.PEEK[])").ok();
    let ballast = fill(&proxy);
    until("the log fails", || (ready(&proxy) == 503).then_some(()));
    for command in ["UID FETCH 2 (BODY.PEEK[])", "UID STORE 1 +FLAGS (\\Flagged)", "CREATE Unsaid"] {
        ann.run(command).no("[UNAVAILABLE]");
    }
    ann.run("NOOP").ok();
    ann.run("CAPABILITY").ok();
    let next = Client::tls(proxy.imaps(), &proxy.ca());
    assert!(next.greeting.starts_with("* BYE [UNAVAILABLE]"), "{}", next.greeting);
    assert_eq!(proxy.metric("imapwarden_audit_failing", &[]), 1.0);
    std::fs::remove_file(ballast).expect("it is there");
    until("the log works again", || (ready(&proxy) == 200).then_some(()));
    ann.run("UID FETCH 3 (BODY.PEEK[])").ok();
    ann.logout();
    let mut straight = dovecot.login("ann");
    assert!(!straight.run("LIST \"\" *").ok().names().iter().any(|name| name == "Unsaid"));
    straight.logout();
    let records = proxy.stop();
    let read: Vec<_> = records
        .iter()
        .filter(|record| record["type"] == "message.read" && record["stage"] == "intent")
        .map(|record| record["data"]["uids"].to_string())
        .collect();
    assert_eq!(read, ["\"1\"", "\"3\""], "what was refused was not announced either");
    let closes = records.iter().filter(|record| record["type"] == "audit.close");
    assert!(closes.count() >= 2, "a failure ends in a new segment");
}

#[test]
fn a_directory_that_is_only_to_be_read_keeps_the_proxy_from_starting() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).on_tmpfs(MEBIBYTES).start();
    proxy.stop();
    remount(&proxy, "ro");
    let file = proxy.place().path("imapwarden.toml");
    let done = output(tool(PROGRAM).args(["run", "--config"]).arg(file));
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("audit directory cannot be written to"), "{said}");
    remount(&proxy, "rw");
    proxy.run_again();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.logout();
    proxy.stop();
}

fn ready(proxy: &Proxy) -> u16 {
    get(proxy.admin(), "/readyz").expect("an answer").0
}

/// Takes all room that there is.
pub(super) fn fill(proxy: &Proxy) -> std::path::PathBuf {
    let path = proxy.place().path("audit/ballast");
    let mut file = std::fs::File::create(&path).expect("there is room for a name");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

fn remount(proxy: &Proxy, how: &str) {
    let options = format!("remount,{how}");
    let done = output(tool("mount").args(["-o", &options]).arg(proxy.place().path("audit")));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
