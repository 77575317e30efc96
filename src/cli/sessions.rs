//! `imapwarden sessions`: who is connected to a running proxy; and which sessions `kill` means.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};

use super::admin_call::{Asker, Call};
use crate::admin::escaped;
use crate::config::Role;

/// Show the sessions that are open at a running proxy: who, from where, with which program, what they have open and read.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    asker: Asker,
    #[command(flatten)]
    filter: Filter,
    /// Which come first: age, content, octets, quiet, user.
    #[arg(long, value_name = "KEY", default_value = "age")]
    sort: String,
    /// How many are shown, 500 at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print the answer as it came: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which sessions: all that is said must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Of users whose name matches, with * and ?.
    #[arg(long, value_name = "GLOB")]
    user: Option<String>,
    /// From this address or network.
    #[arg(long, value_name = "NET")]
    ip: Option<String>,
    /// With a mailbox open whose name matches.
    #[arg(long, value_name = "GLOB")]
    mailbox: Option<String>,
    /// With a program that says it is this, as name/version.
    #[arg(long, value_name = "GLOB")]
    client: Option<String>,
    /// In this state: preauth, authenticated, selected, idle, draining.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// By this listener.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// To this upstream.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Open for longer than this, as 90s or 1h.
    #[arg(long, value_name = "TIME")]
    older: Option<String>,
}

pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

impl Filter {
    fn said(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let all = [
            ("user", &self.user),
            ("ip", &self.ip),
            ("mailbox", &self.mailbox),
            ("client", &self.client),
            ("state", &self.state),
            ("listener", &self.listener),
            ("upstream", &self.upstream),
            ("older", &self.older),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }

    /// As a call that changes something has it.
    pub fn object(&self) -> Map<String, Value> {
        self.said().map(|(key, value)| (key.to_owned(), value.as_str().into())).collect()
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut path = format!("/api/v1/sessions?sort={}&limit={}", escaped(&arguments.sort), arguments.limit);
    for (key, value) in arguments.filter.said() {
        path.push_str(&format!("&{key}={}", escaped(value)));
    }
    arguments.asker.then(&[Role::Operator, Role::Auditor], TIMEOUT, |call: &Call| {
        call.tell("GET", &path, None, arguments.json, |told| write!(io::stdout(), "{}", table(told)))
    })
}

/// One line a session, and how many there are.
pub(super) fn table(told: &Value) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(told["sessions"].as_array().into_iter().flatten().map(row));
    let mut text = String::new();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell)).saturating_add(2)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let shown = rows.len().saturating_sub(1);
    text.push_str(&format!("{} of {} sessions, {shown} shown\n", told["matched"], told["total"]));
    text
}

const HEAD: [&str; 9] = ["id", "user", "from", "client", "mailbox", "state", "age", "read", "octets"];

fn row(session: &Value) -> Vec<String> {
    let word = |key: &str| session[key].as_str().map_or_else(|| "-".to_owned(), plain);
    let number = |key: &str| session[key].as_u64().unwrap_or_default();
    let user = match session["actor"].as_str() {
        Some(actor) => format!("{} ({})", word("user"), plain(actor)),
        None => word("user"),
    };
    let octets = number("in").saturating_add(number("out"));
    vec![
        word("sid"),
        user,
        word("ip"),
        word("client"),
        word("mailbox"),
        word("state"),
        age(number("age_s")),
        number("messages").to_string(),
        octets.to_string(),
    ]
}

/// What peers say moves no cursor and turns no text around.
fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        letter if letter.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter => letter,
    };
    let mut cut: String = text.chars().map(shown).take(40).collect();
    if text.chars().nth(40).is_some() {
        cut.push('…');
    }
    cut
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// `21s`, `12m`, `3h`, `4d`
fn age(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6000 => format!("{}m", seconds / 60),
        6000..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said() {
        let told = json!({ "total": 7, "matched": 2, "sessions": [
            { "sid": "4c2q8m0v7x1t", "user": "ann", "ip": "192.0.2.1", "client": "Mutt/2", "mailbox": "INBOX",
              "state": "idle", "age_s": 3700, "messages": 2, "in": 10, "out": 20 },
            { "sid": "0c2q8m0v7x1t", "ip": "2001:db8::1", "client": "e\u{202e}vil\u{7}", "state": "preauth", "age_s": 1,
              "messages": 0, "in": 0, "out": 0 },
        ] });
        assert_eq!(
            table(&told),
            "id            user  from         client  mailbox  state    age  read  octets\n\
             4c2q8m0v7x1t  ann   192.0.2.1    Mutt/2  INBOX    idle     61m  2     30\n\
             0c2q8m0v7x1t  -     2001:db8::1  e\u{fffd}vil\u{fffd}  -        preauth  1s   0     0\n\
             2 of 7 sessions, 2 shown\n"
        );
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(plain(&"x".repeat(41)), format!("{}…", "x".repeat(40)));
        assert_eq!(plain(&"x".repeat(40)), "x".repeat(40));
    }
}
