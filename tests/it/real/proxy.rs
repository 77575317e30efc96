//! The program itself, as an operator runs it: `imapwarden run --config FILE`, ended with SIGTERM.
//!
//! However a test ends it, its log must be whole, and nothing that is secret may stand in anything that it wrote.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::client::Client;
use super::described::{exports_are_valid, is_described};
use super::dovecot::Dovecot;
use super::front::Front;
use super::place::{Place, Process, Signal, free_address, output, tool, until};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_imapwarden");

/// How a proxy is set up.
pub struct Settings {
    upstream: String,
    upstream_ca: PathBuf,
    upstream_tls: &'static str,
    rules: Vec<(String, String)>,
    files: Vec<(String, String)>,
    in_policy: String,
    in_admin: String,
    in_listener: String,
    in_upstream: String,
    in_limits: String,
    in_audit: String,
    signed: bool,
    tmpfs: Option<u32>,
    traced: bool,
    clock: bool,
}

impl Settings {
    /// Everything at its default, before this Dovecot.
    pub fn before(dovecot: &Dovecot) -> Self {
        Self {
            upstream: format!("localhost:{}", dovecot.imaps().port()),
            upstream_ca: dovecot.ca(),
            upstream_tls: "implicit",
            rules: Vec::new(),
            files: Vec::new(),
            in_policy: String::new(),
            in_admin: String::new(),
            in_listener: String::new(),
            in_upstream: String::new(),
            in_limits: "drain_delay = \"0s\"\ndrain_window = \"1s\"\n".to_owned(),
            in_audit: String::new(),
            signed: false,
            tmpfs: None,
            traced: false,
            clock: false,
        }
    }

    /// Before something else, that speaks in clear.
    pub fn before_clear(address: SocketAddr) -> Self {
        Self {
            upstream: address.to_string(),
            upstream_ca: PathBuf::new(),
            upstream_tls: "off",
            rules: Vec::new(),
            files: Vec::new(),
            in_policy: String::new(),
            in_admin: String::new(),
            in_listener: String::new(),
            in_upstream: String::new(),
            in_limits: "drain_delay = \"0s\"\ndrain_window = \"1s\"\n".to_owned(),
            in_audit: String::new(),
            signed: false,
            tmpfs: None,
            traced: false,
            clock: false,
        }
    }

    /// With this rule file.
    pub fn rules(mut self, text: &str) -> Self {
        self.rules.push((format!("rules/rules-{}.toml", self.rules.len() + 1), text.to_owned()));
        self
    }

    /// With another file beside the configuration.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Lines for `[policy]`.
    pub fn in_policy(mut self, lines: &str) -> Self {
        self.in_policy = format!("{lines}\n");
        self
    }

    /// Lines for `[admin]`.
    pub fn in_admin(mut self, lines: &str) -> Self {
        self.in_admin = format!("{lines}\n");
        self
    }

    /// Trusts this authority, and no other, for the upstream.
    pub fn trusting(mut self, ca: PathBuf) -> Self {
        self.upstream_ca = ca;
        self
    }

    /// Lines for the listener that speaks TLS from the first octet.
    pub fn in_listener(mut self, lines: &str) -> Self {
        self.in_listener.push_str(lines);
        self.in_listener.push('\n');
        self
    }

    /// Lines for the upstream.
    pub fn in_upstream(mut self, lines: &str) -> Self {
        self.in_upstream = format!("{lines}\n");
        self
    }

    /// At another address, spoken to as before.
    pub fn upstream_at(mut self, port: u16) -> Self {
        self.upstream = format!("localhost:{port}");
        self
    }

    /// Reaches Dovecot in clear, and upgrades.
    pub fn upstream_starttls(mut self, dovecot: &Dovecot) -> Self {
        self.upstream = format!("localhost:{}", dovecot.imap().port());
        self.upstream_tls = "starttls";
        self
    }

    /// Lines for `[limits]`.
    pub fn in_limits(mut self, lines: &str) -> Self {
        self.in_limits = format!("{lines}\n");
        self
    }

    /// Lines for `[audit]`.
    pub fn in_audit(mut self, lines: &str) -> Self {
        self.in_audit = format!("{lines}\n");
        self
    }

    /// Its log has a key, which `verify` is given then.
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Its log is on a file system of its own, of so many MiB.
    pub fn on_tmpfs(mut self, mebibytes: u32) -> Self {
        self.tmpfs = Some(mebibytes);
        self
    }

    /// What it asks of the kernel is written down, in the file `trace` of its place.
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Its clock goes as the file `clock` of its place says: `+0`, `-2h`.
    pub fn clock(mut self) -> Self {
        self.clock = true;
        self.file("clock", "+0")
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Proxy {
        Proxy::start(&self)
    }
}

/// Running until dropped.
pub struct Proxy {
    place: Place,
    process: Option<Process>,
    /// Three listeners: TLS from the first octet, STARTTLS, and in clear with logins allowed.
    addresses: [SocketAddr; 3],
    admin: SocketAddr,
    /// The log may lack its end: the test kills the program.
    pub killed: bool,
    /// Where a file system was mounted for it.
    mounted: Option<PathBuf>,
    traced: bool,
    clock: bool,
}

/// The calls that write to sockets and files, and those that wait for the disk.
const CALLS: &str =
    "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,fsync,fdatasync";

/// The library that lets a program see another clock.
fn preload() -> String {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = libraries.find(|path| path.exists()).expect("faketime is not installed: ./tests/run installs it");
    format!("LD_PRELOAD={}", library.display())
}

/// The first key of the log, as `audit init` printed it.
const KEY: &str = "first-key.txt";

impl Proxy {
    fn start(settings: &Settings) -> Self {
        let place = Place::new();
        for (name, text) in settings.rules.iter().chain(&settings.files) {
            place.write(name, text);
        }
        let addresses = [free_address(), free_address(), free_address()];
        let mut proxy = Self {
            place,
            process: None,
            addresses,
            admin: free_address(),
            killed: false,
            mounted: None,
            traced: settings.traced,
            clock: settings.clock,
        };
        if let Some(mebibytes) = settings.tmpfs {
            proxy.mount(mebibytes);
        }
        // Another process may take a port between the choice and the start.
        for left in (0..5).rev() {
            proxy.addresses = [free_address(), free_address(), free_address()];
            proxy.admin = free_address();
            proxy.place.write("imapwarden.toml", proxy.configuration(settings));
            if settings.signed {
                proxy.make_key();
            }
            if proxy.run() {
                break;
            }
            let log = proxy.log();
            let mend = match settings.traced {
                true => {
                    "\nstrace runs it (./tests/run installs that), and must be let trace: in a container that takes `--cap-add SYS_PTRACE`"
                }
                false => "",
            };
            assert!(left > 0 && log.contains("in use"), "imapwarden does not start:\n{log}{mend}");
        }
        proxy
    }

    /// The same key is told again as long as it was not used.
    fn make_key(&self) {
        let file = self.place.path("imapwarden.toml");
        let made = output(tool(PROGRAM).args(["audit", "init", "--config"]).arg(file));
        assert!(made.status.success(), "audit init: {}", String::from_utf8_lossy(&made.stderr));
        self.place.write(KEY, String::from_utf8(made.stdout).expect("UTF-8"));
    }

    fn mount(&mut self, mebibytes: u32) {
        let at = self.place.path("audit");
        fs::create_dir_all(&at).expect("it can be made");
        let options = format!("size={mebibytes}m,mode=0700");
        let mounted = output(tool("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at));
        assert!(
            mounted.status.success(),
            "this test mounts a small tmpfs: run it as root, or in `unshare --map-root-user --mount`\n{}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        self.mounted = Some(at);
    }

    fn configuration(&self, settings: &Settings) -> String {
        let [implicit, starttls, clear] = self.addresses;
        let certificate = "certificate = \"tls/chain.pem\"\nprivate_key = \"tls/key.pem\"";
        let rules = if settings.rules.is_empty() { "[]" } else { "[\"rules/*.toml\"]" };
        let ca = match settings.upstream_tls {
            "off" => String::new(),
            _ => format!("ca = \"{}\"\n", settings.upstream_ca.display()),
        };
        format!(
            "[[listener]]\nname = \"imaps\"\nbind = \"{implicit}\"\ntls = \"implicit\"\n{certificate}\n{}\n\
             [[listener]]\nname = \"imap\"\nbind = \"{starttls}\"\ntls = \"starttls\"\n{certificate}\n\n\
             [[listener]]\nname = \"clear\"\nbind = \"{clear}\"\ntls = \"off\"\nallow_plaintext_login = true\n\n\
             [[upstream]]\nname = \"main\"\nservers = [\"{}\"]\ntls = \"{}\"\n{ca}{}\n\
             [auth]\nmode = \"passthrough\"\n\n\
             [policy]\nrules = {rules}\n{}\n\
             [audit]\ndirectory = \"audit\"\nmin_free = \"1 MiB\"\n{}\n\
             [admin]\nbind = \"{}\"\n{}\n\
             [limits]\n{}\n",
            settings.in_listener,
            settings.upstream,
            settings.upstream_tls,
            settings.in_upstream,
            settings.in_policy,
            settings.in_audit,
            self.admin,
            settings.in_admin,
            settings.in_limits,
        )
    }

    /// Starts the program; did it come up?
    fn run(&mut self) -> bool {
        let file = self.place.path("imapwarden.toml");
        let (trace, log) = (self.place.path("trace"), self.place.path("imapwarden.log"));
        let mut arguments = vec!["run", "--config", file.to_str().expect("a path in UTF-8")];
        let mut program = PROGRAM;
        if self.traced {
            // strace is its parent's child, and the program stays ours: it hears signals, and its end is seen.
            let trace = trace.to_str().expect("a path in UTF-8");
            arguments.splice(..0, ["-D", "-f", "-yy", "-s", "1048576", "-e", CALLS, "-o", trace, "--", PROGRAM]);
            program = "strace";
        }
        let clock = format!("FAKETIME_TIMESTAMP_FILE={}", self.place.path("clock").display());
        let preload = if self.clock { preload() } else { String::new() };
        if self.clock {
            arguments.splice(..0, [&preload, &clock, "FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1", PROGRAM]);
            program = "env";
        }
        let mut process = Process::start("imapwarden", Path::new(program), &arguments, &log);
        let admin = self.admin;
        let up = until("imapwarden is ready", || match process.ended() {
            Some(_) => Some(false),
            None => (get(admin, "/readyz")?.0 == 200).then_some(true),
        });
        self.process = up.then_some(process);
        up
    }

    /// Starts it again, after it was ended or killed.
    pub fn run_again(&mut self) {
        assert!(self.run(), "imapwarden does not start again:\n{}", self.log());
    }

    /// Where it speaks TLS from the first octet.
    pub fn imaps(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where it offers STARTTLS.
    pub fn imap(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// Where it takes logins in clear.
    pub fn clear(&self) -> SocketAddr {
        self.addresses[2]
    }

    /// What a mail program is told.
    pub fn front(&self, user: &'static str) -> Front {
        Front { user, imaps: self.imaps(), imap: self.imap(), ca: self.ca() }
    }

    /// A raw client over TLS that is logged in.
    pub fn login(&self, user: &str) -> Client {
        Client::tls(self.imaps(), &self.ca()).login(user)
    }

    /// Where metrics and health are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Who certified it.
    pub fn ca(&self) -> PathBuf {
        self.place.ca()
    }

    /// Its folder.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path("imapwarden.log")).unwrap_or_default()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// A page of the admin listener that must be there.
    pub fn page(&self, path: &str) -> String {
        let (status, body) = get(self.admin, path).unwrap_or_else(|| panic!("{path}: no answer"));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The sum over all series of a metric that have these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let page = self.page("/metrics");
        let series = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let wanted = series.filter(|(series, _)| {
            let (this, its) = series.split_once('{').unwrap_or((series, ""));
            this == name && labels.iter().all(|(label, value)| its.contains(&format!("{label}=\"{value}\"")))
        });
        wanted.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
    }

    /// Waits until a metric has at least this value.
    pub fn metric_reaches(&self, name: &str, labels: &[(&str, &str)], least: f64) {
        until(&format!("{name}{labels:?} reaches {least}"), || (self.metric(name, labels) >= least).then_some(()));
    }

    /// All records of the audit log so far.
    pub fn records(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for text in self.segments() {
            for line in text.lines() {
                lines.push(serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
            }
        }
        lines
    }

    /// The text of each segment, also of those that were compressed.
    fn segments(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.place.path("audit"))
            .expect("the audit log")
            .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
            .filter_map(|name| name.trim_end_matches(".zst").strip_suffix(".jsonl").map(str::to_owned))
            // What the tools write of themselves stands beside the segments.
            .filter(|name| name != "access")
            .collect();
        names.sort();
        names.dedup();
        let folder = self.place.path("audit");
        let unpacked = |name: &String| {
            let packed = fs::File::open(folder.join(format!("{name}.jsonl.zst"))).expect("a segment");
            String::from_utf8(zstd::decode_all(packed).expect("it is whole")).expect("UTF-8")
        };
        let text = |name| fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap_or_else(|_| unpacked(name));
        names.iter().map(text).collect()
    }

    /// Waits for a record.
    pub fn record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.records().into_iter().find(&wanted))
    }

    /// `imapwarden audit verify`.
    pub fn verify(&self) -> Output {
        let mut verify = tool(PROGRAM);
        verify.args(["audit", "verify"]).arg(self.place.path("audit"));
        if self.place.path(KEY).exists() {
            verify.arg("--key").arg(self.place.path(KEY));
        }
        output(&mut verify)
    }

    /// SIGTERM, and all that must hold after a clean stop. The records that it left.
    pub fn stop(&mut self) -> Vec<Value> {
        let metrics = get(self.admin, "/metrics").map(|(_, page)| page).unwrap_or_default();
        self.no_secret_is_written(&metrics);
        self.process().signal(Signal::TERM);
        let records = self.ended_well();
        labels_tell_nobody(&metrics, &records);
        records
    }

    /// What must hold after a clean stop, however it was asked for.
    pub fn ended_well(&mut self) -> Vec<Value> {
        let status = self.process().wait();
        self.process = None;
        assert!(status.success(), "imapwarden ended with {status}:\n{}", self.log());
        let verified = self.verify();
        assert!(
            verified.status.success() || self.killed && verified.status.code() == Some(3),
            "audit verify: {}\n{}{}",
            verified.status,
            String::from_utf8_lossy(&verified.stdout),
            String::from_utf8_lossy(&verified.stderr)
        );
        self.no_secret_is_written("");
        let records = self.records();
        records.iter().for_each(is_described);
        exports_are_valid(&self.place.path("audit"));
        records
    }

    /// Neither passwords nor what stands in mail is in the audit log, the log or the metrics.
    fn no_secret_is_written(&self, metrics: &str) {
        // `canary`, and what base64 makes of it at each of the three offsets.
        const SECRETS: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];
        let mut written = vec![("metrics".to_owned(), metrics.to_owned()), ("log".to_owned(), self.log())];
        written.extend(self.segments().into_iter().map(|text| ("a segment".to_owned(), text)));
        for (place, text) in written {
            for line in text.lines() {
                let found = SECRETS.iter().find(|secret| line.contains(*secret));
                assert!(found.is_none(), "a secret is in {place}: {line}");
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- imapwarden.toml\n{}",
                fs::read_to_string(self.place.path("imapwarden.toml")).unwrap_or_default()
            );
            eprintln!("---- imapwarden.log\n{}", self.log());
            let segments = fs::read_dir(self.place.path("audit")).into_iter().flatten().flatten();
            for segment in segments.filter(|entry| entry.path().extension().is_some_and(|e| e == "jsonl")) {
                eprintln!(
                    "---- {}\n{}",
                    segment.path().display(),
                    fs::read_to_string(segment.path()).unwrap_or_default()
                );
            }
        } else if self.process.is_some() {
            self.stop();
        }
        if let Some(at) = self.mounted.take() {
            self.process = None;
            let _ = output(tool("umount").arg("--lazy").arg(at)); // there is nothing else to be done about it
        }
    }
}

/// Of whatever a test did, few series are left, and nothing in a label that the log knows of somebody.
fn labels_tell_nobody(metrics: &str, records: &[Value]) {
    let series: Vec<&str> = metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(series.len() < 3000, "{} series", series.len());
    let said = |record: &Value| -> Vec<String> {
        let places = ["/user", "/actor", "/sid", "/client_ip", "/mailbox/name", "/data/dst", "/data/to", "/data/name"];
        let said = places.iter().filter_map(|place| record.pointer(place)?.as_str());
        // Who calls a mailbox like a word that labels have is not told of by that word.
        said.filter(|text| !text.is_empty() && *text != "OTHER").map(str::to_owned).collect()
    };
    let known: std::collections::BTreeSet<String> = records.iter().flat_map(said).collect();
    for line in series {
        let labels = line.split('"').skip(1).step_by(2);
        let told = labels.filter(|value| known.contains(*value)).collect::<Vec<_>>();
        assert!(told.is_empty(), "{told:?} in {line}");
    }
}

/// Status and body of a page.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(super::place::PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

/// The body behind chunked transfer coding.
fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or("");
    }
    whole
}
