//! SIGKILL: this test runs itself as another process, and kills it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::audit::verify;

/// Says to the process that it is the one to be killed.
const DIRECTORY: &str = "IMAPWARDEN_TEST_AUDIT_DIRECTORY";

#[test]
fn a_killed_process_loses_nothing_that_was_told() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return record_for_ever(directory.into());
    }
    let bench = Bench::new(OnFailure::Refuse);
    let mut told = 0;
    for round in 0..20 {
        told = tell_then_die(&bench.directory, 1 + round * 7);
        let report = verify(&bench.directory, None);
        assert_eq!(report.exit_code(), 3, "{report}");
        assert!(report.to_string().contains("without audit.close"), "{report}");
        assert!(chained_whole(&bench.directory) > told, "record {told} was told to stand");
    }
    drop(bench.log());
    assert!(chained(&bench.directory).len() as u64 > told);
}

/// Records in whole lines.
fn chained_whole(directory: &Path) -> u64 {
    let numbers = segment::list(directory).expect("it can be read");
    let texts = numbers.into_iter().map(|number| fs::read(directory.join(format!("{number:08}.jsonl"))));
    texts.map(|text| text.expect("it can be read").iter().filter(|byte| **byte == b'\n').count() as u64).sum()
}

/// Runs a process until it has told so many numbers, and kills it. Returns the last one.
fn tell_then_die(directory: &Path, numbers: usize) -> u64 {
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "audit::tests::killing::a_killed_process_loses_nothing_that_was_told", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let told = BufReader::new(process.stdout.take().expect("a pipe"));
    let told = told.lines().map_while(Result::ok).filter_map(|line| line.parse().ok()).nth(numbers);
    process.kill().expect("it runs still");
    process.wait().expect("it ends");
    told.expect("it told so many")
}

fn record_for_ever(directory: PathBuf) {
    let bench = Bench { directory, ..Bench::new(OnFailure::Refuse) };
    let log = bench.log();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        loop {
            let batch = log.submit(entries(3)).await;
            println!("{}", batch.written().await.expect("it is written"));
        }
    });
}
