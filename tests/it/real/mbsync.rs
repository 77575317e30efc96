//! mbsync keeps a Maildir equal to an account: both ways, and twice without a change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::front::{Front, same_both_ways};
use super::place::{Place, succeed, tool};

/// Folder → its messages, each as flags and text.
pub type Tree = BTreeMap<String, Vec<(String, String)>>;

#[test]
fn mbsync_brings_everything_and_a_second_run_changes_nothing() {
    same_both_ways(|_, front| {
        let place = Place::new();
        let config = configure(&place, front);
        sync(&config);
        let once = tree(&place.path("local"));
        sync(&config);
        assert_eq!(tree(&place.path("local")), once, "the second run");
        assert_eq!(once["INBOX"].len(), super::mail::IN_INBOX);
        assert_eq!(once["Finance/Q3"].len(), 2);
        assert!(once.contains_key("Entw&APw-rfe") || once.contains_key("Entwürfe"), "{:?}", once.keys());
        once
    });
}

#[test]
fn mbsync_carries_changes_both_ways() {
    same_both_ways(|dovecot, front| {
        let place = Place::new();
        let config = configure(&place, front);
        sync(&config);
        // Here: one message is read, one comes, one folder is made.
        let unread = first(&place.path("local/INBOX/new"));
        let name = unread.file_name().and_then(|name| name.to_str()).expect("a name");
        let read = name.trim_end_matches(":2,").to_owned() + ":2,S";
        fs::rename(&unread, place.path("local/INBOX/cur").join(read)).expect("a flag");
        place.write("local/Archive/new/1700009999.M1.here", super::mail::message("pushed", 1).replace("\r\n", "\n"));
        // There: one is flagged, one comes, one goes.
        let mut there = Client::tls(dovecot.imaps(), &dovecot.ca()).login(front.user);
        there.run("SELECT INBOX").ok();
        there.run("STORE 6 +FLAGS (\\Flagged)").ok();
        there.run("STORE 3 +FLAGS (\\Deleted)").ok();
        there.run("EXPUNGE").ok();
        there.run_parts(&[b"APPEND INBOX {7+}", b"\r\nthere"]).ok();
        sync(&config);
        let here = tree(&place.path("local"));
        sync(&config);
        assert_eq!(tree(&place.path("local")), here, "the run after");
        there.run("NOOP").ok();
        let flags = there.run("FETCH 1:* (FLAGS)").ok();
        let archive = there.run("STATUS Archive (MESSAGES)").ok();
        there.logout();
        assert_eq!(archive.lines(), ["* STATUS Archive (MESSAGES 4)"]);
        assert_eq!(here["INBOX"].len(), super::mail::IN_INBOX);
        (here, without_recent(flags.lines()))
    });
}

/// Writes a configuration that keeps `local` equal to the account.
fn configure(place: &Place, front: &Front) -> PathBuf {
    configure_with(place, front, "Expunge Both\nSync All")
}

/// The same, with what is said of how changes travel.
pub fn configure_with(place: &Place, front: &Front, how: &str) -> PathBuf {
    fs::create_dir_all(place.path("local")).expect("a folder");
    let local = place.path("local");
    let local = local.display();
    let text = format!(
        "IMAPAccount account\nHost localhost\nPort {}\nUser {}\nPass {}\nSSLType IMAPS\nSystemCertificates no\n\
         CertificateFile {}\n\n\
         IMAPStore far\nAccount account\n\n\
         MaildirStore near\nPath {local}/\nInbox {local}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\n{how}\nSyncState *\n",
        front.imaps.port(),
        front.user,
        front.password(),
        front.ca.display(),
    );
    place.write("mbsyncrc", text)
}

/// Once.
pub fn sync(config: &Path) {
    succeed(tool("mbsync").arg("--config").arg(config).arg("--all"));
}

/// All that is in a Maildir tree.
pub fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("cur" | "new" | "tmp") => {
                    let name = folder.strip_prefix(root).expect("below").display().to_string();
                    tree.entry(name).or_default().extend(messages(&path));
                }
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    tree.values_mut().for_each(|messages| messages.sort());
    tree
}

fn messages(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (flags(&path), body(&path))).collect()
}

/// Those that its name tells.
pub fn flags(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once(":2,").map(|(_, flags)| flags.to_owned()).unwrap_or_default()
}

/// The text of a message, without the mark that a program puts into what it uploads.
fn body(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).expect("a message")).into_owned();
    text.lines()
        .filter(|line| !line.starts_with("X-TUID:") && !line.starts_with("X-OfflineIMAP:"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The same one, whoever's mail it is.
pub fn first(folder: &Path) -> PathBuf {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.min_by_key(|path| body(path)).expect("a message")
}

fn without_recent(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line.replace(" \\Recent", "").replace("\\Recent", "")).collect()
}
