//! Where a test takes place, and what it leaves: nothing.
//!
//! ```text
//!   Place ── a temporary folder          Process ── ended by its id when dropped,
//!     ├─ tls/  ca.pem chain.pem key.pem             and by the kernel when the test dies
//!     └─ ports below those that connections use
//! ```

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;

/// How long anything here may take; far more than it does on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A temporary folder, removed with all that is in it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty folder with certificates in `tls`.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("iw-").tempdir().expect("a temporary folder");
        // Dovecot's mail processes run as another user where the tests run as root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let place = Self { folder };
        super::certificate::write(&place.path("tls"));
        place
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// The authority that all servers of a test are certified by.
    pub fn ca(&self) -> PathBuf {
        self.path("tls/ca.pem")
    }
}

/// An address on loopback that nobody listens on.
///
/// Below the range from which the kernel takes ports for connections, so that none of those gets in between.
pub fn free_address() -> SocketAddr {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(397) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}

/// Looks again and again until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server that this test started.
pub struct Process {
    child: Child,
    what: &'static str,
}

impl Process {
    /// Starts a program that stays in the foreground and writes to `log`.
    pub fn start(what: &'static str, program: &Path, arguments: &[&str], log: &Path) -> Self {
        let log = fs::File::options().create(true).append(true).open(log).expect("a log file");
        // The kernel ends it should this test die without unwinding: a Ctrl-C leaves no server behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{what}: {}: {e}", program.display()));
        Self { child, what }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it ended?
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap_or_else(|e| panic!("{}: {e}", self.what));
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let what = self.what;
        until(&format!("{what} ends"), || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.ended().is_none() {
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A program of somebody else, for as long as it may take.
pub fn tool(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120"]).arg(program).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Runs it to its end, which must be a good one; what it wrote.
pub fn succeed(command: &mut Command) -> String {
    let done = output(command);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(
        done.status.success(),
        "{command:?}: {}{}\n{out}\n{err}",
        done.status,
        if done.status.code() == Some(127) { " (not installed? ./tests/run installs it)" } else { "" },
    );
    out.into_owned()
}
