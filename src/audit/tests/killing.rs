//! SIGKILL: this test runs itself as another process, and kills it at a random moment, again and again.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::signing::{against, signed};
use super::*;

/// Says to the process that it is the one to be killed.
const DIRECTORY: &str = "IMAPWARDEN_TEST_AUDIT_DIRECTORY";

/// Logs of one run, and kills of each, which is verified behind all of them. Moments are random: each run adds others.
const LOGS: u64 = 6;
const KILLS: u64 = 25;

/// Segments are small, so that it also dies between one and the next, where keys follow each other, and while it compresses.
#[test]
fn a_killed_process_loses_nothing_that_was_told() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return record_for_ever(directory.into());
    }
    let random = RandomState::new();
    for log in 0..LOGS {
        let (bench, key) = signed();
        let mut told = 0;
        for round in 0..KILLS {
            let moment = Duration::from_micros(random.hash_one((log, round)) % 20_000);
            told = tell_then_die(&bench.directory, moment).max(told);
            // A start takes up whatever it was: what is missing behind a segment it adds, what broke off it says.
            drop(bench.log());
            let report = against(&bench, &key);
            assert_eq!(report.exit_code(), 3, "kill {round}, after {moment:?}: {report}");
            assert!(report.to_string().contains("signed    ok"), "kill {round}: {report}");
            assert!(newest_of(&bench.directory) > told, "kill {round}: record {told} was told to stand");
        }
    }
}

/// Number of the newest record.
fn newest_of(directory: &Path) -> u64 {
    head(directory).seq
}

/// Runs a process, and kills it so long after it has told its first number. Returns the last number that it told.
fn tell_then_die(directory: &Path, moment: Duration) -> u64 {
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "audit::tests::killing::a_killed_process_loses_nothing_that_was_told", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let told = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut told = told.lines().map_while(Result::ok).filter_map(|line| line.parse().ok());
    let first: u64 = told.next().expect("it told one");
    let until = Instant::now() + moment;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    process.kill().expect("it runs still");
    process.wait().expect("it ends");
    told.fold(first, u64::max)
}

fn record_for_ever(directory: PathBuf) {
    let mut bench = Bench { directory, ..Bench::new(OnFailure::Refuse) };
    bench.tuning.segment = 4 * 1024;
    bench.tuning.pack = Duration::from_millis(1);
    bench.tuning.checkpoint = Duration::from_millis(5);
    let log = bench.log();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let sessions = (1..4).map(|n| {
        let log = log.clone();
        async move {
            loop {
                let batch = log.submit(entries(n)).await;
                println!("{}", batch.written().await.expect("it is written"));
            }
        }
    });
    sessions.for_each(|session| drop(runtime.spawn(session)));
    std::thread::park(); // until it is killed
}
