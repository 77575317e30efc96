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
