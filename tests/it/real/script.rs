//! An upstream that says what a test tells it to, in clear, on one thread a connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What it does about one command.
pub enum Reply {
    /// Says this; `{tag}` stands for the command's tag.
    Say(&'static str),
    /// Says this and hangs up.
    SayAndClose(&'static str),
    /// Never answers.
    Nothing,
}

/// Answers login and SELECT as servers do, and everything else as `answer` says. Ends with the test.
pub fn serve(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || session(&stream.expect("a connection"), &*answer));
        }
    });
    address
}

fn session(stream: &TcpStream, answer: &dyn Fn(&str) -> Reply) -> Option<()> {
    let mut out = stream;
    out.write_all(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+ IDLE UIDPLUS MOVE] ready\r\n").ok()?;
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        let (tag, command) = line.split_once(' ')?;
        let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "CAPABILITY" => {
                Reply::Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+ IDLE UIDPLUS MOVE\r\n{tag} OK done\r\n")
            }
            "LOGIN" => Reply::Say("{tag} OK logged in\r\n"),
            "LOGOUT" => Reply::SayAndClose("* BYE\r\n{tag} OK done\r\n"),
            "SELECT" | "EXAMINE" => Reply::Say(
                "* 3 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [UIDVALIDITY 7] \r\n* OK [UIDNEXT 30] \r\n\
                 {tag} OK [READ-WRITE] done\r\n",
            ),
            _ => answer(command),
        };
        match reply {
            Reply::Say(text) => out.write_all(text.replace("{tag}", tag).as_bytes()).ok()?,
            Reply::SayAndClose(text) => {
                let _ = out.write_all(text.replace("{tag}", tag).as_bytes());
                return None;
            }
            Reply::Nothing => {}
        }
    }
    None
}
