//! Where a run takes place, and what it leaves: nothing.
//!
//! ```text
//!   Place ── a temporary folder          Process ── ended by its id when dropped,
//!     ├─ tls/  ca.pem chain.pem key.pem both.pem        and by the kernel when the runner dies
//!     └─ ports below those that connections use
//! ```

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustix::process::{Pid, Signal};

/// A temporary folder, removed with all that is in it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A folder with certificates in `tls`.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("iw-peers-").tempdir()?;
        // Where the runner is root, workers of some peers are somebody else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let place = Self { folder };
        place.certify().map_err(io::Error::other)?;
        Ok(place)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder's path, as configuration files have it.
    pub fn root(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder"))?;
        fs::write(&path, content)?;
        Ok(path)
    }

    /// An authority, and one certificate for all peers: ECDSA with P-256.
    fn certify(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "imapwarden benches");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        self.write("tls/ca.pem", params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let (chain, key) = (params.signed_by(&key, &issuer)?.pem(), key.serialize_pem());
        self.write("tls/both.pem", format!("{chain}{key}"))?;
        self.write("tls/chain.pem", chain)?;
        self.write("tls/key.pem", key)?;
        Ok(())
    }
}

/// An address on loopback that nobody listens on.
pub fn free_address() -> io::Result<SocketAddr> {
    free_addresses(1).map(|addresses| addresses[0])
}

/// The loopback address of a part's process with this number. Each has its own: from one address to another's port there
/// are only as many connections as ports for them, some 28,000.
pub fn loopback(number: usize) -> Ipv4Addr {
    let octet = u8::try_from(number + 1).expect("a handful of processes");
    Ipv4Addr::new(127, 0, 0, octet)
}

/// One port that nobody listens on, on as many loopback addresses.
///
/// Below the range from which the kernel takes ports for connections, so that none of those gets in between.
pub fn free_addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(397) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        let addresses = (0..count).map(|number| SocketAddr::from((loopback(number), port))).collect::<Vec<_>>();
        if addresses.iter().all(|address| TcpListener::bind(address).is_ok()) {
            return Ok(addresses);
        }
    }
    Err(io::Error::other(format!(
        "no port of the loopback interface from {FIRST} to {} is free: ss -ltnp says who listens there",
        FIRST + COUNT - 1
    )))
}

/// The file of a program, also where Debian keeps those of servers.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A server that the runner started.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that stays in the foreground and writes to `log`.
    pub fn start(program: &Path, arguments: &[&str], log: PathBuf) -> io::Result<Self> {
        let file = fs::File::create(&log)?;
        Self::spawn(dying_with_us(program, arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file), log)
    }

    /// Starts what this command says.
    pub fn spawn(command: &mut Command, log: PathBuf) -> io::Result<Self> {
        Ok(Self { child: command.spawn()?, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Has it ended?
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// The end of what it has written.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// The kernel ends it should the runner die without unwinding: a Ctrl-C leaves no server behind.
pub fn dying_with_us(program: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).args(arguments);
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if self.ended() {
            return;
        }
        // Whoever drains at the first TERM stops at the next.
        for _ in 0..40 {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
            let deadline = Instant::now() + Duration::from_millis(250);
            while Instant::now() < deadline {
                if self.ended() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
