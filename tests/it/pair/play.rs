//! Plays a session, and keeps what is heard.

use base64::Engine;

use super::script::{LoginForm, Meanwhile, Said, Step};
use crate::real::dovecot::password;

/// How a session reaches the proxy, whatever that is.
pub trait Road {
    fn say(&mut self, octets: &[u8]);
    fn hear(&mut self) -> Heard;
    /// The client will say no more.
    fn hang_up(&mut self);
    /// Waits until the proxy has heard what it asked the upstream for itself: names behind a login's answer, UNSELECT behind a
    /// refusal. Else it is chance whether what another connection does comes before or behind that.
    fn settle(&mut self) {}
}

pub enum Heard {
    Octets(Vec<u8>),
    End,
    /// Nothing for so long that nothing will come.
    Silence,
}

/// What the client heard, step by step; the first entry is the greeting, the last what came behind all steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    pub heard: Vec<Vec<u8>>,
    /// An answer that never came.
    pub silent: bool,
}

struct Connection {
    road: Box<dyn Road>,
    heard: Vec<u8>,
    /// Up to where it has been looked at.
    looked: usize,
    over: bool,
    silent: bool,
}

/// Plays steps. `open` gives connections, `meanwhile` changes what is hidden.
pub fn play(
    steps: &[Step],
    user: &str,
    open: &mut dyn FnMut() -> Box<dyn Road>,
    meanwhile: &mut dyn FnMut(Meanwhile),
) -> Transcript {
    let mut connections: [Option<Connection>; 2] = [None, None];
    let mut transcript = Transcript { heard: Vec::new(), silent: false };
    for step in steps {
        let who = match step {
            Step::Login { who, .. } | Step::Say { who, .. } => *who,
            Step::Meanwhile(what) => {
                meanwhile(*what);
                transcript.heard.push(Vec::new());
                continue;
            }
        };
        let connection = connections[who].get_or_insert_with(|| Connection::new(open()));
        match step {
            Step::Login { form, right, .. } => connection.run(&login(*form, user, *right), meanwhile),
            Step::Say { said, .. } => connection.run(said, meanwhile),
            Step::Meanwhile(_) => {}
        }
        if !connection.over {
            connection.road.settle();
        }
        transcript.silent |= connection.silent;
        transcript.heard.push(std::mem::take(&mut connection.heard));
        connection.looked = 0;
    }
    let mut rest = Vec::new();
    for connection in connections.iter_mut().flatten() {
        connection.end();
        rest.append(&mut connection.heard);
        transcript.silent |= connection.silent;
    }
    transcript.heard.push(rest);
    transcript
}

/// What a login says.
fn login(form: LoginForm, user: &str, right: bool) -> Said {
    let password = if right { password(user) } else { "wrong".to_owned() };
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let plain = base64(&format!("\0{user}\0{password}"));
    let parts = match form {
        LoginForm::Atom => vec![format!("l LOGIN {user} {password}\r\n")],
        LoginForm::Quoted => vec![format!("l login \"{user}\" \"{password}\"\r\n")],
        LoginForm::Literal => {
            vec![
                format!("l LOGIN {{{}}}\r\n", user.len()),
                format!("{user} {{{}}}\r\n", password.len()),
                format!("{password}\r\n"),
            ]
        }
        LoginForm::Unasked => {
            vec![format!("l LOGIN {{{}+}}\r\n{user} {{{}+}}\r\n{password}\r\n", user.len(), password.len())]
        }
        LoginForm::PlainAtOnce => vec![format!("l AUTHENTICATE PLAIN {plain}\r\n")],
        LoginForm::PlainAsked => vec!["l AUTHENTICATE PLAIN\r\n".to_owned(), format!("{plain}\r\n")],
        LoginForm::LoginAsked => vec![
            "l AUTHENTICATE LOGIN\r\n".to_owned(),
            format!("{}\r\n", base64(user)),
            format!("{}\r\n", base64(&password)),
        ],
    };
    Said { parts: parts.into_iter().map(String::into_bytes).collect(), tags: vec!["l".to_owned()], ..Said::default() }
}

impl Connection {
    fn new(road: Box<dyn Road>) -> Self {
        let mut connection = Self { road, heard: Vec::new(), looked: 0, over: false, silent: false };
        connection.wait(&mut vec!["*".to_owned()], false);
        connection
    }

    fn run(&mut self, said: &Said, meanwhile: &mut dyn FnMut(Meanwhile)) {
        let mut tags = said.tags.clone();
        for (at, part) in said.parts.iter().enumerate() {
            if self.over {
                return;
            }
            if let (1, Some(what)) = (at, said.meanwhile) {
                meanwhile(what);
            }
            self.road.say(part);
            if at + 1 == said.parts.len() {
                return self.wait(&mut tags, false);
            }
            let before = tags.len();
            self.wait(&mut tags, true);
            if tags.len() < before {
                return; // refused: what it did not ask for is not said
            }
        }
    }

    /// Hears the server until these tags are answered, or until it asks for more where that is waited for.
    fn wait(&mut self, tags: &mut Vec<String>, more: bool) {
        while !self.over && !tags.is_empty() {
            let Some(end) = response_end(&self.heard, self.looked) else {
                self.hear();
                continue;
            };
            let response = &self.heard[self.looked..end];
            self.looked = end;
            if more && response.starts_with(b"+") {
                return;
            }
            let tag = response.split(|octet| *octet == b' ').next().unwrap_or_default();
            if let Some(at) = tags.iter().position(|waiting| waiting.as_bytes() == tag) {
                tags.remove(at);
                if more {
                    return;
                }
            }
        }
    }

    fn hear(&mut self) {
        match self.road.hear() {
            Heard::Octets(octets) => self.heard.extend_from_slice(&octets),
            Heard::End => self.over = true,
            Heard::Silence => {
                self.over = true;
                self.silent = true;
            }
        }
    }

    fn end(&mut self) {
        if !self.over {
            self.road.hang_up();
        }
        while !self.over {
            self.hear();
        }
    }
}

/// Where the response that begins at `start` ends, its literals included, if it has ended.
fn response_end(heard: &[u8], start: usize) -> Option<usize> {
    let mut from = start;
    loop {
        let end = from + heard.get(from..)?.iter().position(|octet| *octet == b'\n')? + 1;
        let line = heard.get(from..end)?;
        let literal = line.strip_suffix(b"}\r\n").and_then(|line| {
            let open = line.iter().rposition(|octet| *octet == b'{')?;
            std::str::from_utf8(&line[open + 1..]).ok()?.parse::<usize>().ok()
        });
        match literal {
            Some(octets) => from = end + octets,
            None => return Some(end),
        }
    }
}
