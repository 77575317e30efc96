//! The texts that problems point into.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::problem::{Problem, Severity};

/// Path → text of every file that was read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: BTreeMap<Arc<Path>, Text>,
}

/// A text, and where its lines begin.
#[derive(Clone, Debug)]
struct Text {
    text: Arc<str>,
    lines: Arc<[usize]>,
}

impl Text {
    fn new(text: Arc<str>) -> Self {
        let behind = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(behind).collect();
        Self { text, lines }
    }
}

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
}

impl Sources {
    /// Keeps a text under the path by which problems will name it.
    pub fn insert(&mut self, path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> Arc<Path> {
        let path: Arc<Path> = path.as_ref().into();
        self.texts.insert(path.clone(), Text::new(text.into()));
        path
    }

    /// Reads a file and keeps its text. The problem names the file; the caller may know a better place for it.
    pub fn read(&mut self, path: impl AsRef<Path>) -> Result<(Arc<Path>, Arc<str>), Problem> {
        let path = path.as_ref();
        let unreadable = |why: String| Problem::in_file(Severity::Error, path, format!("cannot read the file: {why}"));
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            unreadable(format!("it is not UTF-8 text (byte {valid})"))
        })?;
        let text: Arc<str> = text.into();
        Ok((self.insert(path, text.clone()), text))
    }

    /// The text of a file.
    pub fn text(&self, path: &Path) -> Option<&str> {
        self.texts.get(path).map(|text| &*text.text)
    }

    /// How many files were read.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// All of `other`'s texts, too.
    pub fn extend(&mut self, other: Self) {
        self.texts.extend(other.texts);
    }

    /// Line and column of a byte offset.
    pub fn position(&self, path: &Path, offset: usize) -> Option<Position> {
        let Text { text, lines } = self.texts.get(path)?;
        let offset = text.floor_char_boundary(offset);
        let line = lines.partition_point(|start| *start <= offset);
        let start = *lines.get(line.checked_sub(1)?)?;
        Some(Position { line, column: text.get(start..offset)?.chars().count() + 1 })
    }

    /// Where the line of a byte offset begins.
    pub(super) fn line_start(&self, path: &Path, offset: usize) -> Option<usize> {
        let lines = &self.texts.get(path)?.lines;
        lines.get(lines.partition_point(|start| *start <= offset).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.insert("a.toml", "äb\nc\n");
        for (name, offset, line, column) in [
            ("the first byte", 0, 1, 1),
            ("behind a character of two bytes", 2, 1, 2),
            ("inside of a character", 1, 1, 1),
            ("the second line", 4, 2, 1),
            ("past the end", 99, 3, 1),
        ] {
            assert_eq!(sources.position(&file, offset), Some(Position { line, column }), "{name}");
        }
        assert_eq!(sources.position(Path::new("b.toml"), 0), None);
    }
}
