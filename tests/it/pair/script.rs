//! A session as it is planned: steps, each of which can be left out.

use std::fmt;

/// What happens in turn.
#[derive(Debug, Clone)]
pub enum Step {
    /// Connection `who` logs in, with the password of its account or another.
    Login { who: usize, form: LoginForm, right: bool },
    /// Connection `who` says something.
    Say { who: usize, said: Said },
    /// Something that is hidden changes, past the proxy, where there is something hidden.
    Meanwhile(Meanwhile),
}

/// Parts that are said one after another. After each but the last the server is heard: it may ask for more or refuse.
/// After the last it is heard until all tags are answered.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub parts: Vec<Vec<u8>>,
    pub tags: Vec<String>,
    /// Where in the only part each command begins, where there are several.
    pub begins: Vec<usize>,
    /// What others do before the second part.
    pub meanwhile: Option<Meanwhile>,
}

impl Said {
    /// The same commands, each said when the one before it is answered.
    fn one_by_one(&self) -> Vec<Self> {
        let [all] = self.parts.as_slice() else { return vec![self.clone()] };
        if self.begins.len() < 2 {
            return vec![self.clone()];
        }
        let ends = self.begins.iter().skip(1).copied().chain([all.len()]);
        let commands = self.begins.iter().zip(ends).zip(&self.tags);
        let alone = |((begin, end), tag): ((&usize, usize), &String)| Self {
            parts: vec![all[*begin..end].to_vec()],
            tags: vec![tag.clone()],
            ..Self::default()
        };
        commands.map(alone).collect()
    }
}

#[derive(Debug, Clone, Copy)]
pub enum LoginForm {
    Atom,
    Quoted,
    Literal,
    Unasked,
    PlainAtOnce,
    PlainAsked,
    LoginAsked,
}

/// What others do: to what is hidden, and nobody may notice; or to what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    Delivered,
    Created,
    Removed,
    Subscribed,
    /// A message that anybody may see.
    Arrived,
    /// One of those is flagged.
    Flagged,
    /// One of those goes.
    Vanished,
    /// One of those gets a keyword, or loses it: under some rules it is hidden from then on.
    Marked,
}

impl Step {
    /// Which connection it is about.
    pub fn who(&self) -> usize {
        match self {
            Self::Login { who, .. } | Self::Say { who, .. } => *who,
            Self::Meanwhile(_) => 0,
        }
    }

    /// The tags of its commands.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let said = match self {
            Self::Say { said, .. } => Some(said),
            _ => None,
        };
        said.into_iter().flat_map(|said| said.tags.iter().map(String::as_str))
    }

    /// Does it copy or move messages, or add one?
    pub fn copies(&self) -> bool {
        let said = self.to_string().to_ascii_uppercase();
        ["COPY ", "MOVE ", "APPEND "].iter().any(|verb| said.contains(verb))
    }

    /// The same without pipelining.
    pub fn one_by_one(&self) -> Vec<Self> {
        match self {
            Self::Say { who, said } => {
                said.one_by_one().into_iter().map(|said| Self::Say { who: *who, said }).collect()
            }
            other => vec![other.clone()],
        }
    }
}

/// With a NOOP behind what waits for a literal. Behind one that was refused a single command may come, for several could be
/// the literal, sent all the same.
pub fn pauses(steps: Vec<Step>) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        let pause = match &step {
            Step::Say { who, said } if said.parts.len() > 1 => {
                let tag = format!("p{}", out.len());
                let parts = vec![format!("{tag} NOOP\r\n").into_bytes()];
                Some(Step::Say { who: *who, said: Said { parts, tags: vec![tag], ..Said::default() } })
            }
            _ => None,
        };
        out.push(step);
        out.extend(pause);
    }
    out
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { who, form, right } => {
                write!(f, "C{who}: login {form:?}{}", if *right { "" } else { ", wrong" })
            }
            Self::Meanwhile(what) => write!(f, "--  meanwhile: {what:?}"),
            Self::Say { who, said } => {
                for (at, part) in said.parts.iter().enumerate() {
                    if at > 0 {
                        writeln!(f)?;
                    }
                    if let (1, Some(what)) = (at, said.meanwhile) {
                        writeln!(f, "--  meanwhile: {what:?}")?;
                    }
                    write!(f, "C{who}: {}", shown(part))?;
                }
                Ok(())
            }
        }
    }
}

/// Octets for the eye.
pub fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}
