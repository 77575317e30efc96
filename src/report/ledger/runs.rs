//! Sorted rows in a file without a name: what a ledger does not hold in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::sync::Arc;

use super::{Certainty, Header, Key, Reading};
use crate::imap::message::ReadClass;

/// Octets read of a run at once.
const RUN_BUFFER: usize = 32 * 1024;

/// Sorted rows in a file without a name.
#[derive(Debug)]
pub(super) struct Runs {
    file: Arc<File>,
    /// Where each run begins, and where the last one ends.
    ends: Vec<u64>,
}

impl Runs {
    pub fn new() -> io::Result<Self> {
        let name = format!("imapwarden-{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { file: Arc::new(file), ends: vec![0] })
    }

    pub fn write(&mut self, rows: &[(Key, Reading)]) -> io::Result<()> {
        let mut file = &*self.file;
        file.seek(SeekFrom::End(0))?;
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        let mut octets = self.ends.last().copied().unwrap_or(0);
        let mut row = Vec::new();
        for (key, read) in rows {
            row.clear();
            encode(*key, read, &mut row);
            out.write_all(&row)?;
            octets = octets.saturating_add(row.len() as u64);
        }
        out.flush()?;
        self.ends.push(octets);
        Ok(())
    }

    pub fn readers(&self) -> io::Result<Vec<Run>> {
        let runs = self.ends.iter().zip(self.ends.iter().skip(1));
        Ok(runs
            .map(|(from, to)| Run {
                rest: BufReader::with_capacity(
                    RUN_BUFFER,
                    Section { file: Arc::clone(&self.file), at: *from, to: *to },
                ),
            })
            .collect())
    }
}

/// A part of a file that others read, too.
struct Section {
    file: Arc<File>,
    at: u64,
    to: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.to.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(buffer.get_mut(..left).unwrap_or_default(), self.at)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

pub(super) struct Run {
    rest: BufReader<Section>,
}

/// Octets of a row without its header.
const ROW: usize = 4 * 3 + 8 * 4 + 4 + 3;

fn encode(key: Key, read: &Reading, out: &mut Vec<u8>) {
    for number in [key.group, key.mailbox, key.uid, read.times] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for number in [read.first.cast_unsigned(), read.last.cast_unsigned(), read.octets, read.size] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend([read.class as u8, read.certainty as u8, u8::from(read.header.is_some())]);
    if let Some(header) = &read.header {
        for field in header.fields() {
            let text = field.as_deref().unwrap_or_default();
            // Records hold at most 256 octets of each; 0 is none, so that a length stands for itself and one more.
            let length =
                field.as_ref().map_or(0, |text| u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_add(1));
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

impl Run {
    pub fn next(&mut self) -> io::Result<Option<(Key, Reading)>> {
        let mut row = [0; ROW];
        if self.rest.get_ref().at >= self.rest.get_ref().to && self.rest.buffer().is_empty() {
            return Ok(None);
        }
        self.rest.read_exact(&mut row)?;
        let short = |at: usize| u32::from_le_bytes(octets(&row, at));
        let long = |at: usize| u64::from_le_bytes(octets(&row, at));
        let [class, certainty, has_header] = octets(&row, ROW - 3);
        let header = if has_header == 1 { Some(Box::new(self.header()?)) } else { None };
        let certainties = [Certainty::Observed, Certainty::UnderWay, Certainty::Assumed];
        Ok(Some((
            Key { group: short(0), mailbox: short(4), uid: short(8) },
            Reading {
                times: short(12),
                first: long(16).cast_signed(),
                last: long(24).cast_signed(),
                octets: long(32),
                size: long(40),
                class: ReadClass::ALL.get(usize::from(class)).copied().unwrap_or(ReadClass::Full),
                certainty: certainties.get(usize::from(certainty)).copied().unwrap_or(Certainty::Assumed),
                header,
            },
        )))
    }

    fn header(&mut self) -> io::Result<Header> {
        Ok(Header {
            message_id: self.text()?,
            from: self.text()?,
            to: self.text()?,
            date: self.text()?,
            subject: self.text()?,
        })
    }

    fn text(&mut self) -> io::Result<Option<String>> {
        let mut length = [0; 4];
        self.rest.read_exact(&mut length)?;
        let Some(length) = u32::from_le_bytes(length).checked_sub(1) else { return Ok(None) };
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        self.rest.read_exact(&mut text)?;
        Ok(String::from_utf8(text).ok())
    }
}

fn octets<const N: usize>(row: &[u8; ROW], at: usize) -> [u8; N] {
    row.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
