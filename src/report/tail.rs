//! The last records that are asked for of all logs of a directory, then those that come.
//!
//! ```text
//!   <directory>/            ─▶ One ─┐
//!   <directory>/<log id>/   ─▶ One ─┴─▶ by time ─▶ printer      one that appears later: from its first record on
//! ```
//!
//! Each log keeps its own order, which is that of its numbers; between logs there is none but time.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::filter::Filter;
use super::query::{Asking, Printer};
use crate::audit::{Item, Line, Place, Reader, See, Seen, logs, segments};

/// Most records of one log that are held for those of others.
const MOST: usize = 4096;

/// What follows the logs of a directory.
pub struct Tail<'f> {
    directory: PathBuf,
    filter: &'f Filter,
    logs: Vec<One<'f>>,
}

/// Records in the order in which they are shown.
pub struct Records(Vec<Vec<u8>>);

/// One log.
struct One<'f> {
    directory: PathBuf,
    reader: Reader,
    asking: Asking<'f>,
}

impl<'f> Tail<'f> {
    /// The last `n` records that are asked for, and what shows those that come behind them.
    ///
    /// # Errors
    /// Where a log cannot be read.
    pub fn begin(
        directory: &Path,
        filter: &'f Filter,
        n: usize,
        trouble: &mut dyn FnMut(&str),
    ) -> io::Result<(Self, Records)> {
        let mut tail = Self { directory: directory.to_owned(), filter, logs: Vec::new() };
        let mut found = logs(directory)?;
        if found.is_empty() {
            found.push(directory.to_owned());
        }
        let mut last = Vec::new();
        for directory in found {
            let (one, records) = One::begin(directory, filter, n, trouble)?;
            tail.logs.push(one);
            last.push(records);
        }
        let mut records = by_time(last);
        records.drain(..records.len().saturating_sub(n));
        Ok((tail, Records(records)))
    }

    /// What came since.
    ///
    /// # Errors
    /// Where a log cannot be read.
    pub fn go_on(&mut self, trouble: &mut dyn FnMut(&str)) -> io::Result<Records> {
        for directory in logs(&self.directory)? {
            if !self.logs.iter().any(|known| known.directory == directory) {
                let reader = Reader::new(&directory, None);
                self.logs.push(One { directory, reader, asking: Asking::new(self.filter) });
            }
        }
        let mut came = Vec::new();
        for one in &mut self.logs {
            came.push(one.go_on(trouble)?);
        }
        Ok(Records(by_time(came)))
    }
}

impl Records {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prints them.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn print(&self, printer: &mut dyn Printer, out: &mut dyn Write) -> io::Result<()> {
        for bytes in &self.0 {
            if let Ok(line) = Line::parse(bytes) {
                let place = Place { segment: 0, line: 0, compressed: false };
                printer.record(Seen { line: &line, bytes, place }, out)?;
            }
        }
        printer.end(out)
    }
}

impl<'f> One<'f> {
    fn begin(
        directory: PathBuf,
        filter: &'f Filter,
        n: usize,
        trouble: &mut dyn FnMut(&str),
    ) -> io::Result<(Self, VecDeque<Vec<u8>>)> {
        let numbers = segments(&directory)?;
        let mut asking = Asking::new(filter);
        let mut reader = Reader::new(&directory, numbers.last().copied());
        let mut last = Last::new(n);
        let _ = reader.advance(&mut |item| {
            if let Some(seen) = asking.asked(&item, trouble) {
                last.keep(seen.bytes);
            }
            ControlFlow::Continue(())
        })?;
        // Backwards, a segment at a time, until there are enough.
        let mut number = numbers.len().saturating_sub(1);
        while last.lines.len() < n && number > 0 {
            number = number.saturating_sub(1);
            let (Some(segment), Some(next)) = (numbers.get(number), numbers.get(number.saturating_add(1))) else {
                break;
            };
            let mut earlier = Last::new(n.saturating_sub(last.lines.len()));
            let mut asking = Asking::new(filter);
            one_segment(&directory, *segment, *next, &mut |item| {
                if let Some(seen) = asking.asked(&item, trouble) {
                    earlier.keep(seen.bytes);
                }
                ControlFlow::Continue(())
            })?;
            earlier.lines.append(&mut last.lines);
            last.lines = earlier.lines;
        }
        Ok((Self { directory, reader, asking }, last.lines))
    }

    /// What came since, but no more than is held: the rest comes with the next look.
    fn go_on(&mut self, trouble: &mut dyn FnMut(&str)) -> io::Result<VecDeque<Vec<u8>>> {
        let mut came = VecDeque::new();
        let asking = &mut self.asking;
        let _ = self.reader.advance(&mut |item| {
            if let Some(seen) = asking.asked(&item, trouble) {
                came.push_back(seen.bytes.to_vec());
            }
            if came.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(came)
    }
}

/// Of the records that come next, one of each log, the earliest, and so on.
fn by_time(mut logs: Vec<VecDeque<Vec<u8>>>) -> Vec<Vec<u8>> {
    let time = |record: &Vec<u8>| Line::parse(record).map(|line| line.ts.to_owned()).unwrap_or_default();
    if let [only] = logs.as_mut_slice() {
        return std::mem::take(only).into();
    }
    let mut next: Vec<Option<String>> = logs.iter().map(|log| log.front().map(time)).collect();
    let mut records = Vec::new();
    loop {
        let times = next.iter().enumerate().filter_map(|(at, time)| Some((time.as_deref()?, at)));
        let Some(at) = times.min().map(|(_, at)| at) else { return records };
        let Some(log) = logs.get_mut(at) else { return records };
        records.extend(log.pop_front());
        if let Some(next) = next.get_mut(at) {
            *next = log.front().map(time);
        }
    }
}

fn one_segment(directory: &Path, number: u32, next: u32, see: &mut See<'_>) -> io::Result<()> {
    let _ = Reader::new(directory, Some(number)).advance(&mut |item| match &item {
        Item::Record(seen) if seen.place.segment >= next => ControlFlow::Break(()),
        _ => see(item),
    })?;
    Ok(())
}

/// The last lines of many.
struct Last {
    n: usize,
    lines: VecDeque<Vec<u8>>,
}

impl Last {
    fn new(n: usize) -> Self {
        Self { n, lines: VecDeque::new() }
    }

    fn keep(&mut self, line: &[u8]) {
        if self.n == 0 {
            return;
        }
        // The memory of the line that leaves holds the one that comes.
        let mut kept = if self.lines.len() >= self.n { self.lines.pop_front() } else { None }.unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(line);
        self.lines.push_back(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(seq: u64, at: u32) -> String {
        let ts = format!("2027-01-12T02:13:{at:02}.000000Z");
        format!(r#"{{"v":1,"seq":{seq},"prev":"x","log":"l","node":"n","ts":"{ts}","type":"x.y","code":"XX100I"}}"#)
            + "\n"
    }

    fn told(records: &Records) -> Vec<u64> {
        records.0.iter().map(|record| Line::parse(record).expect("a record").seq).collect()
    }

    #[test]
    fn logs_are_followed_together_also_one_that_appears_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let (main, beside) = (path.join("00000001.jsonl"), path.join("0123456789/00000001.jsonl"));
        fs::write(&main, line(0, 1) + &line(1, 5) + &line(2, 3)).expect("it is ours");
        let filter = Filter::default();
        let mut trouble = |what: &str| panic!("{what}");
        let (mut tail, last) = Tail::begin(path, &filter, 10, &mut trouble).expect("a log");
        assert_eq!(told(&last), [0, 1, 2], "one log has the order of its numbers");
        fs::create_dir(path.join("0123456789")).expect("it is ours");
        fs::write(&beside, line(10, 2) + &line(11, 8)).expect("it is ours");
        fs::write(&main, line(0, 1) + &line(1, 5) + &line(2, 3) + &line(3, 7)).expect("it is ours");
        assert_eq!(told(&tail.go_on(&mut trouble).expect("logs")), [10, 3, 11]);
        assert!(tail.go_on(&mut trouble).expect("logs").is_empty());
        for (n, want) in [(10, &[0, 10, 1, 2, 3, 11][..]), (3, &[2, 3, 11]), (0, &[])] {
            let (_, last) = Tail::begin(path, &filter, n, &mut trouble).expect("logs");
            assert_eq!((told(&last), last.len()), (want.to_vec(), want.len()), "{n}");
        }
    }
}
