//! Attachments made up on the spot: files that programs can open, of the size that is wished.
//!
//! ```text
//!   pdf 18          a page of PDF, 18 KB, in base64
//!   png 480 320     a picture, in base64
//!   csv 24          a table of 24 rows;   csv64 24   in base64
//!   log 1400        a log of 1400 lines, in base64
//! ```

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Makes what is wished, as lines that end in LF.
pub(super) fn make(wish: &str) -> String {
    let mut words = wish.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or(1);
    match kind {
        "pdf" => base64_lines(&pdf(number())),
        "png" => base64_lines(&png(number(), number())),
        "csv" => csv(number()),
        "csv64" => base64_lines(csv(number()).replace('\n', "\r\n").as_bytes()),
        "log" => base64_lines(log(number()).replace('\n', "\r\n").as_bytes()),
        _ => unreachable!("the samples wish for nothing else"),
    }
}

fn base64_lines(octets: &[u8]) -> String {
    let mut lines = String::with_capacity(octets.len().saturating_mul(7) / 5);
    for line in octets.chunks(57) {
        lines += &STANDARD.encode(line);
        lines.push('\n');
    }
    lines
}

/// Numbers that look like chance and are always the same.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }
}

/// One page with a line of text, and an embedded stream that gives it its size.
fn pdf(kilobytes: u32) -> Vec<u8> {
    let text = "BT /F1 24 Tf 72 720 Td (A sample of the imapwarden demo) Tj ET";
    let mut noise = Noise(kilobytes);
    let ballast: Vec<u8> = (0..kilobytes.saturating_mul(1024)).map(|_| noise.next().to_le_bytes()[0]).collect();
    let stream = |octets: &[u8]| {
        [format!("<< /Length {} >>\nstream\n", octets.len()).as_bytes(), octets, b"\nendstream"].concat()
    };
    let objects: [Vec<u8>; 6] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_vec(),
        stream(text.as_bytes()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
        stream(&ballast),
    ];
    let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len().saturating_add(1));
    for (number, object) in (1..).zip(&objects) {
        let number: u32 = number;
        writeln!(table, "{:010} 00000 n ", file.len()).expect("a String takes all text");
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let at = file.len();
    let size = objects.len().saturating_add(1);
    file.extend(format!("{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n").bytes());
    file
}

/// A picture in four greys, not compressed.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut noise = Noise(width ^ height);
    let mut rows = Vec::new();
    for row in 0..height {
        rows.push(0); // no filter
        rows.extend((0..width.div_ceil(4)).map(|column| {
            let shade = (row / 40).wrapping_add(column / 10).to_le_bytes()[0];
            shade.wrapping_mul(0x55) ^ (noise.next().to_le_bytes()[0] & 0x11)
        }));
    }
    // Bit depth 2, grey scale: four pixels an octet.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[2, 0, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, octets) in [(b"IHDR", header), (b"IDAT", stored(&rows)), (b"IEND", Vec::new())] {
        let chunk = [&kind[..], &octets].concat();
        file.extend(u32::try_from(octets.len()).unwrap_or(0).to_be_bytes());
        file.extend_from_slice(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(octets: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = octets.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend_from_slice(block);
    }
    let (a, b) = octets.iter().fold((1_u32, 0_u32), |(a, b), octet| {
        let a = (a + u32::from(*octet)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend(((b << 16) | a).to_be_bytes());
    stream
}

fn crc32(octets: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !octets.iter().fold(u32::MAX, |crc, octet| (0..8).fold(crc ^ u32::from(*octet), bit))
}

fn csv(rows: u32) -> String {
    let mut noise = Noise(rows);
    let mut table = "number,what,hours,amount\n".to_owned();
    for row in 1..=rows {
        let what = ["travel", "paper", "review", "repair", "support"][usize::from(noise.next().to_le_bytes()[0] % 5)];
        let (hours, amount) = (noise.next() % 40, noise.next() % 9_000);
        writeln!(table, "{row},{what},{hours},{}.{:02}", amount / 10, noise.next() % 100)
            .expect("a String takes all text");
    }
    table
}

fn log(lines: u32) -> String {
    let mut noise = Noise(lines);
    let mut log = String::new();
    for line in 0..lines {
        let step = ["fetch", "compile", "link", "unit", "integration"][usize::try_from(line * 5 / lines).unwrap_or(4)];
        let (level, took) = (if noise.next().is_multiple_of(50) { "WARN" } else { "INFO" }, noise.next() % 900);
        writeln!(log, "{line:06} {level} [{step}] task {} finished in {took} ms", noise.next() % 400)
            .expect("a String takes all text");
    }
    log + "ERROR [integration] expected 3 messages, saw 2\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let stream = stored(b"Wikipedia");
        assert_eq!(stream.get(stream.len() - 4..), Some(&0x11e6_0398_u32.to_be_bytes()[..]));
    }

    #[test]
    fn a_pdf_finds_its_objects() {
        let file = pdf(3);
        assert!(file.len() > 3 * 1024 && file.starts_with(b"%PDF-"));
        let text = String::from_utf8_lossy(&file);
        let tail: Vec<&str> = text.lines().rev().take(2).collect();
        let table: usize = tail[1].parse().unwrap();
        assert!(file[table..].starts_with(b"xref\n0 7\n"));
    }

    #[test]
    fn base64_is_broken_into_lines() {
        let lines = make("log 20");
        assert!(lines.lines().all(|line| line.len() <= 76) && lines.ends_with('\n'));
    }
}
