//! The newest lines of a log.

use std::io;
use std::path::Path;

use super::segment;

/// The newest whole lines, newest first, out of so many octets at the end of the log. Large segments
/// that are compressed are long past.
///
/// # Errors
/// Where the log cannot be read.
pub fn newest(directory: &Path, octets: u64) -> io::Result<Vec<Vec<u8>>> {
    let (mut lines, mut left) = (Vec::new(), octets);
    for number in segment::list(directory)?.into_iter().rev() {
        let Some((end, is_whole)) = segment::end(directory, number, left)? else { break };
        left = left.saturating_sub(end.len() as u64);
        // What stands behind the last line end is still being written, what stands before the first may be a part.
        let mut these: Vec<&[u8]> = end.split(|octet| *octet == b'\n').skip(usize::from(!is_whole)).collect();
        these.pop();
        lines.extend(these.into_iter().rev().map(<[u8]>::to_vec));
        if !is_whole || left == 0 {
            break;
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_come_first_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("00000001.jsonl"), "a\nbb\n").unwrap();
        fs::write(directory.path().join("00000002.jsonl"), "ccc\ndddd\nunfinis").unwrap();
        for (octets, want) in [
            (1000, &["dddd", "ccc", "bb", "a"][..]),
            (20, &["dddd", "ccc", "bb"]),
            (19, &["dddd", "ccc"]),
            (16, &["dddd", "ccc"]),
            (15, &["dddd"]),
            (7, &[]),
            (0, &[]),
        ] {
            let lines = newest(directory.path(), octets).unwrap();
            let lines: Vec<&str> = lines.iter().map(|line| str::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, want, "{octets}");
        }
        assert!(newest(&directory.path().join("none"), 10).is_err());
    }
}
