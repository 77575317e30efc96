//! offlineimap keeps a Maildir equal to an account.

use std::fs;
use std::path::{Path, PathBuf};

use super::front::Front;
use super::place::{Place, succeed, tool};

/// Writes a configuration that keeps `local` equal to the account; `more` is said of the far side.
pub fn configure(place: &Place, front: &Front, more: &str) -> PathBuf {
    let (local, state) = (place.path("local"), place.path("state"));
    fs::create_dir_all(&local).expect("a folder");
    let text = format!(
        "[general]\naccounts = account\nmetadata = {state}\nui = quiet\nfsync = no\nsocktimeout = 60\n\n\
         [Account account]\nlocalrepository = near\nremoterepository = far\n\n\
         [Repository near]\ntype = Maildir\nlocalfolders = {local}\nsep = /\n\n\
         [Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\nremoteuser = {user}\n\
         remotepass = {password}\nssl = yes\nsslcacertfile = {ca}\nstarttls = no\nmaxconnections = 2\n{more}\n",
        state = state.display(),
        local = local.display(),
        port = front.imaps.port(),
        user = front.user,
        password = front.password(),
        ca = front.ca.display(),
    );
    place.write("offlineimaprc", text)
}

/// Once.
pub fn sync(config: &Path) {
    let home = config.parent().expect("a folder");
    succeed(tool("offlineimap").env("HOME", home).arg("-o").arg("-c").arg(config));
}
