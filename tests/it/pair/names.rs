//! Names of mailboxes, and every way to write one.

use super::random::Random;
use super::world::World;

/// Names that a generator draws from.
#[derive(Clone)]
pub struct Pool {
    /// What a session comes back to.
    focus: Vec<String>,
    visible: Vec<String>,
    /// What rules are about.
    ruled: Vec<String>,
    absent: Vec<String>,
    delimiter: char,
}

/// A command under way: parts end where a literal is waited for.
#[derive(Debug, Default)]
pub struct Line {
    pub parts: Vec<Vec<u8>>,
    /// Must literals not wait? Where commands follow each other without a pause.
    pub unasked: bool,
}

impl Line {
    pub fn new(unasked: bool) -> Self {
        Self { parts: vec![Vec::new()], unasked }
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.octets(text.as_bytes())
    }

    pub fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.parts.last_mut().expect("a part").extend_from_slice(octets);
        self
    }

    /// A literal: waited for, or not.
    pub fn literal(&mut self, r: &mut Random, octets: &[u8]) -> &mut Self {
        self.literal_as(r, "", octets)
    }

    pub fn literal_as(&mut self, r: &mut Random, prefix: &str, octets: &[u8]) -> &mut Self {
        let waits = !self.unasked && r.chance(50);
        self.text(&format!("{prefix}{{{}{}}}\r\n", octets.len(), if waits { "" } else { "+" }));
        if waits {
            self.parts.push(Vec::new());
        }
        self.octets(octets)
    }

    /// A string in one of its forms: atom where it may be one, quoted, literal.
    pub fn string(&mut self, r: &mut Random, octets: &[u8]) -> &mut Self {
        let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"/.-_+&,$'~#=!^@;:<>?|`".contains(octet);
        let quotable = |octet: &u8| octet.is_ascii() && !b"\r\n\0".contains(octet);
        let form = r.below(10);
        if form < 5 && !octets.is_empty() && octets.iter().all(plain) {
            return self.octets(octets);
        }
        if form < 8 && octets.iter().all(quotable) {
            self.text("\"");
            for octet in octets {
                if b"\"\\".contains(octet) {
                    self.text("\\");
                }
                self.octets(&[*octet]);
            }
            return self.text("\"");
        }
        self.literal(r, octets)
    }
}

impl Pool {
    /// Of the twins of a world.
    pub fn twins(world: &World) -> Self {
        let wire = |names: &mut dyn Iterator<Item = &str>| names.map(|name| world.on_wire(name)).collect::<Vec<_>>();
        let levels = |name: &'static str| name.rsplit_once('/').map(|(above, _)| above);
        let hidden = world.hidden.iter().map(|(name, _)| *name);
        let hidden = hidden.clone().chain(hidden.filter_map(levels)).chain(world.subscribed_hidden.iter().copied());
        let common = world.common.iter().map(|(name, _)| *name);
        Self {
            focus: Vec::new(),
            visible: wire(&mut common.clone().chain(common.filter_map(levels))),
            ruled: wire(&mut hidden.chain(["Finance", "Finance/New", "HR", "Secret/Deeper"])),
            absent: wire(&mut world.absent.iter().copied().chain(world.subscribed.iter().copied())),
            delimiter: world.delimiter(),
        }
    }

    /// The same with names that never were in place of what rules are about: of the same lengths, letter for letter.
    pub fn never_were(self) -> Self {
        let turned = |c: char| match c {
            'a'..='m' | 'A'..='M' => char::from_u32(u32::from(c) + 13).unwrap_or(c),
            'n'..='z' | 'N'..='Z' => char::from_u32(u32::from(c) - 13).unwrap_or(c),
            other => other,
        };
        let ruled = self.ruled.iter().map(|name| name.chars().map(turned).collect()).collect();
        Self { ruled, ..self }
    }

    /// Of an account in which rules are about these mailboxes.
    pub fn of(visible: &[&str], ruled: &[&str], absent: &[&str]) -> Self {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self { focus: Vec::new(), visible: own(visible), ruled: own(ruled), absent: own(absent), delimiter: '/' }
    }

    /// For one session, that comes back to a few names again and again.
    pub fn focused(&self, r: &mut Random) -> Self {
        let some = |r: &mut Random, from: &[String]| from[r.below(from.len())].clone();
        let focus = vec![some(r, &self.visible), some(r, &self.ruled), self.name(r)];
        Self { focus, ..self.clone() }
    }

    /// A name as it is.
    pub fn name(&self, r: &mut Random) -> String {
        if !self.focus.is_empty() && r.chance(40) {
            return self.focus[r.below(self.focus.len())].clone();
        }
        let from = r.weighted(&[(45, &self.visible), (35, &self.ruled), (20, &self.absent)]);
        from[r.below(from.len())].clone()
    }

    /// What is above a name that rules are about, if there is something: it would be renamed with it.
    pub fn above(&self, r: &mut Random) -> Option<String> {
        let levels: Vec<_> = self.ruled.iter().filter_map(|name| name.rsplit_once(self.delimiter)).collect();
        levels.get(r.below(levels.len().max(1))).map(|(above, _)| (*above).to_owned())
    }

    /// One that can be opened, most likely.
    pub fn visible(&self, r: &mut Random) -> String {
        if let Some(name) = self.focus.first().filter(|_| r.chance(40)) {
            return name.clone();
        }
        self.visible[r.below(self.visible.len())].clone()
    }

    /// A name, or nearly.
    pub fn odd(&self, r: &mut Random) -> Vec<u8> {
        let name = self.name(r);
        if r.chance(70) { name.into_bytes() } else { self.twisted(r, &name) }
    }

    /// Writes a name into a command.
    pub fn put(&self, r: &mut Random, line: &mut Line) {
        let name = self.odd(r);
        line.string(r, &name);
    }

    /// Writes a name that can be opened, most likely.
    pub fn put_visible(&self, r: &mut Random, line: &mut Line) {
        let name = if r.chance(75) { self.visible(r).into_bytes() } else { self.odd(r) };
        line.string(r, &name);
    }

    /// What a reader, a server or a rule may take for the same.
    fn twisted(&self, r: &mut Random, name: &str) -> Vec<u8> {
        let delimiter = self.delimiter;
        let first = name.chars().next().unwrap_or('x');
        let rest = name.get(first.len_utf8()..).unwrap_or_default();
        let text = match r.below(24) {
            0 => name.to_ascii_lowercase(),
            1 => name.to_ascii_uppercase(),
            2 => name.chars().map(|c| if r.chance(50) { c.to_ascii_uppercase() } else { c }).collect(),
            3 => format!("{name}{delimiter}"),
            4 => format!("{delimiter}{name}"),
            5 => name.replacen(delimiter, &format!("{delimiter}{delimiter}"), 1),
            6 => format!("{name}{delimiter}{delimiter}"),
            7 => format!("{first}{}", rest.replacen(delimiter, if delimiter == '/' { "." } else { "/" }, 1)),
            8 => format!("./{name}"),
            9 => format!("{name}/../{name}"),
            10 => format!("{name} "),
            11 => format!(" {name}"),
            12 => format!("{name}."),
            13 => format!("{name}*"),
            14 => format!("{}%", name.get(..name.len() / 2).unwrap_or(name)),
            // The first letter in modified UTF-7, which may not be; in full width; with a mark that does not show.
            15 => format!("{}{rest}", shifted(&[u16::try_from(u32::from(first)).unwrap_or(0)])),
            16 => format!("{}{rest}", shifted(&[u16::try_from(u32::from(first)).unwrap_or(0) + 0xfee0])),
            17 => format!("{first}{}{rest}", shifted(&[0x200b])),
            18 => format!("{first}{}{rest}", shifted(&[u16::try_from(u32::from(delimiter)).unwrap_or(0)])),
            19 => format!("INBOX{delimiter}{name}"),
            20 => name.strip_prefix("INBOX.").unwrap_or(name).to_owned(),
            21 => format!("{name}{delimiter}New"),
            22 => name.replace("&APw-", "u&Awg-").replace("&AN8-", "ss"),
            _ => {
                let mut octets = name.as_bytes().to_vec();
                let odd = [0_u8, 0xff, b'\\', b'"', b'{', b'\t', 0x7f, b'&'][r.below(8)];
                octets.insert(r.below(octets.len() + 1), odd);
                return octets;
            }
        };
        text.into_bytes()
    }

    /// A reference of LIST.
    pub fn put_reference(&self, r: &mut Random, line: &mut Line) {
        match r.below(10) {
            0..=6 => line.text("\"\""),
            7 => {
                let name = format!("{}{}", self.name(r), self.delimiter);
                line.string(r, name.as_bytes())
            }
            _ => {
                let name = self.odd(r);
                line.string(r, &name)
            }
        };
    }

    /// A pattern of LIST.
    pub fn put_pattern(&self, r: &mut Random, line: &mut Line) {
        let delimiter = self.delimiter;
        let name = self.name(r);
        let (head, tail) = name.split_at(name.char_indices().nth(name.len() / 3).map_or(0, |(at, _)| at));
        let above = name.split(delimiter).next().unwrap_or(&name);
        let pattern = match r.below(16) {
            0..=2 => "*".to_owned(),
            3 | 4 => "%".to_owned(),
            5 => format!("%{delimiter}%"),
            6 => format!("{head}*"),
            7 => format!("{head}%"),
            8 => format!("*{tail}"),
            9 => format!("%{tail}"),
            10 => format!("{above}{delimiter}%"),
            11 => format!("{above}{delimiter}*"),
            12 => format!("{above}%{delimiter}%"),
            13 => "inbox".to_owned(),
            14 => String::new(),
            _ => {
                let name = self.odd(r);
                line.string(r, &name);
                return;
            }
        };
        if r.chance(50)
            && pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b"*%/.&-".contains(&b))
            && !pattern.is_empty()
        {
            line.text(&pattern);
        } else {
            line.string(r, pattern.as_bytes());
        }
    }
}

/// Modified UTF-7 of these units.
fn shifted(units: &[u16]) -> String {
    use base64::Engine;
    let octets: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(octets).replace('/', ",");
    format!("&{text}-")
}
