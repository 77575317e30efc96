//! The demo upstream answers as RFC 3501 and its extensions say, over a real socket.

use std::time::Duration;

use imapwarden::demo::server::serve;
use imapwarden::demo::store::Store;
use imapwarden::imap::message::Flag;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A client that says bytes and hears lines.
struct Client {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Client {
    /// Connects and hears the greeting.
    async fn connect(address: std::net::SocketAddr) -> Self {
        let mut client = Self { stream: TcpStream::connect(address).await.unwrap(), heard: Vec::new() };
        assert!(client.until("\r\n").await.starts_with("* OK [CAPABILITY IMAP4rev1 "));
        client
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything up to and including `end`.
    async fn until(&mut self, end: &str) -> String {
        let read = async {
            loop {
                if let Some(at) = memchr::memmem::find(&self.heard, end.as_bytes()) {
                    let behind = self.heard.split_off(at + end.len());
                    return String::from_utf8(std::mem::replace(&mut self.heard, behind)).unwrap();
                }
                let read = self.stream.read_buf(&mut self.heard).await.unwrap();
                assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&self.heard));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer")
    }

    /// Sends a command under the tag `t` and gives all that is answered, with `|` for line ends.
    async fn ask(&mut self, command: &str) -> String {
        self.say(&format!("t {command}\r\n")).await;
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let line = self.until("\r\n").await;
            answer += &line;
            if line.starts_with("t ") {
                return answer.trim_end().replace("\r\n", "|");
            }
        }
    }

    /// Hears until the server closes.
    async fn rest(mut self) -> String {
        let mut rest = self.heard;
        tokio::time::timeout(Duration::from_secs(20), self.stream.read_to_end(&mut rest))
            .await
            .expect("an end")
            .unwrap();
        String::from_utf8(rest).unwrap().replace("\r\n", "|")
    }
}

struct Server {
    store: Store,
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves ann, with so many messages in INBOX.
    async fn start(messages: usize) -> Self {
        let store = Store::empty_with(&[("ann", "secret word")]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { task: tokio::spawn(serve(listener, store.clone())), store, address };
        for number in 1..=messages {
            server.deliver(number);
        }
        server
    }

    fn deliver(&self, number: usize) {
        let mail = format!("Subject: mail {number}\r\n\r\nbody {number}\r\n");
        self.store.account("ann").unwrap().deliver("INBOX", &[], mail.as_bytes()).unwrap();
    }

    async fn login(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        let answer = client.ask("LOGIN ann \"secret word\"").await;
        assert!(answer.starts_with("t OK [CAPABILITY IMAP4rev1 "), "{answer}");
        client
    }

    async fn inbox(&self) -> Client {
        let mut client = self.login().await;
        let answer = client.ask("SELECT INBOX").await;
        assert!(answer.ends_with("t OK [READ-WRITE] SELECT completed"), "{answer}");
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks each command in turn and compares the whole answer.
async fn walk(client: &mut Client, rows: &[(&str, &str)]) {
    for (command, want) in rows {
        assert_eq!(client.ask(command).await, *want, "{command}");
    }
}

#[tokio::test]
async fn logging_in() {
    let server = Server::start(0).await;
    let rows: &[(&str, &[&str], &str)] = &[
        ("wrong password", &["t LOGIN ann wrong\r\n"], "t NO [AUTHENTICATIONFAILED] wrong name or password"),
        ("unknown user", &["t LOGIN eve x\r\n"], "t NO [AUTHENTICATIONFAILED] wrong name or password"),
        ("literals", &["t LOGIN {3}\r\n", "ann {11}\r\n", "secret word\r\n"], "t OK [CAPABILITY "),
        ("literals that do not wait", &["t LOGIN {3+}\r\nann {11+}\r\nsecret word\r\n"], "t OK [CAPABILITY "),
        ("PLAIN at once", &["t AUTHENTICATE PLAIN AGFubgBzZWNyZXQgd29yZA==\r\n"], "t OK [CAPABILITY "),
        ("PLAIN after +", &["t AUTHENTICATE PLAIN\r\n", "AGFubgBzZWNyZXQgd29yZA==\r\n"], "t OK [CAPABILITY "),
        ("PLAIN, cancelled", &["t AUTHENTICATE PLAIN\r\n", "*\r\n"], "t BAD cancelled"),
        ("PLAIN, not base64", &["t AUTHENTICATE PLAIN\r\n", "!\r\n"], "t BAD not base64"),
        (
            "PLAIN for another",
            &["t AUTHENTICATE PLAIN ZXZlAGFubgBzZWNyZXQgd29yZA==\r\n"],
            "t NO [AUTHORIZATIONFAILED] ",
        ),
        ("another mechanism", &["t AUTHENTICATE SCRAM-SHA-1\r\n"], "t NO PLAIN is the only mechanism"),
        ("no STARTTLS", &["t STARTTLS\r\n"], "t BAD not supported here"),
        ("too early", &["t SELECT INBOX\r\n"], "t BAD log in first"),
        ("no command", &["t BOGUS\r\n"], "t BAD syntax error at byte 2: expected a command"),
        ("no tag", &["+ NOOP\r\n"], "* BAD syntax error at byte 0: expected a tag"),
    ];
    for (name, said, want) in rows {
        let mut client = Client::connect(server.address).await;
        for (at, text) in said.iter().enumerate() {
            if at > 0 {
                assert!(client.until("\r\n").await.starts_with("+ "), "{name}");
            }
            client.say(text).await;
        }
        let answer = client.until("\r\n").await;
        assert!(answer.starts_with(want), "{name}: {answer}");
    }
}

#[tokio::test]
async fn what_is_advertised_is_said_before_and_after_login() {
    let server = Server::start(0).await;
    let mut client = Client::connect(server.address).await;
    let before = client.ask("CAPABILITY").await;
    client.ask("LOGIN ann \"secret word\"").await;
    let after = client.ask("CAPABILITY").await;
    assert_eq!(before.replace(" AUTH=PLAIN", ""), after);
    walk(
        &mut client,
        &[
            ("ENABLE CONDSTORE X", "* ENABLED|t OK ENABLE completed"),
            ("NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL|t OK NAMESPACE completed"),
            ("NOOP", "t OK NOOP completed"),
            ("LOGIN ann x", "t BAD already logged in"),
            ("GETACL INBOX", "t BAD not supported here"),
            ("FETCH 1 FLAGS", "t BAD select a mailbox first"),
        ],
    )
    .await;
    assert!(client.ask("ID (\"name\" \"test\")").await.starts_with("* ID (\"name\" \"imapwarden demo server\""));
    client.say("t LOGOUT\r\n").await;
    assert_eq!(client.rest().await, "* BYE logging out|t OK LOGOUT completed|");
}

#[tokio::test]
async fn mailboxes() {
    let server = Server::start(1).await;
    let mut client = server.login().await;
    walk(
        &mut client,
        &[
            ("CREATE Work/2024", "t OK CREATE completed"),
            ("CREATE work/2024/", "t OK CREATE completed"),
            ("CREATE inbox", "t NO [ALREADYEXISTS] there is a mailbox of that name"),
            ("CREATE Entw&APw-rfe", "t OK CREATE completed"),
            ("CREATE \"a*\"", "t NO [CANNOT] no mailbox can have that name"),
            ("LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"|t OK LIST completed"),
            (
                "LIST \"\" %",
                "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe|* LIST (\\HasNoChildren) \"/\" INBOX|\
                 * LIST (\\HasChildren) \"/\" Work|* LIST (\\HasChildren) \"/\" work|t OK LIST completed",
            ),
            ("LIST Work/ %", "* LIST (\\HasNoChildren) \"/\" Work/2024|t OK LIST completed"),
            ("LIST \"\" inb*", "* LIST (\\HasNoChildren) \"/\" INBOX|t OK LIST completed"),
            ("SUBSCRIBE Work/2024", "t OK SUBSCRIBE completed"),
            ("SUBSCRIBE absent", "t NO [NONEXISTENT] no such mailbox"),
            ("LSUB \"\" *", "* LSUB () \"/\" Work/2024|t OK LSUB completed"),
            ("LSUB \"\" %", "* LSUB (\\Noselect) \"/\" Work|t OK LSUB completed"),
            ("LIST (SUBSCRIBED) \"\" *", "* LIST (\\HasNoChildren \\Subscribed) \"/\" Work/2024|t OK LIST completed"),
            (
                "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
                "* LIST (\\HasChildren) \"/\" Work (\"CHILDINFO\" (\"SUBSCRIBED\"))|t OK LIST completed",
            ),
            ("LIST (RECURSIVEMATCH) \"\" %", "t BAD RECURSIVEMATCH needs another selection option"),
            (
                "LIST \"\" (INBOX Work/2024) RETURN (SUBSCRIBED STATUS (MESSAGES SIZE))",
                "* LIST (\\HasNoChildren) \"/\" INBOX|* STATUS INBOX (MESSAGES 1 SIZE 27)|\
                 * LIST (\\HasNoChildren \\Subscribed) \"/\" Work/2024|* STATUS Work/2024 (MESSAGES 0 SIZE 0)|\
                 t OK LIST completed",
            ),
            (
                "STATUS INBOX (MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY SIZE APPENDLIMIT)",
                "* STATUS INBOX (MESSAGES 1 RECENT 1 UNSEEN 1 UIDNEXT 2 UIDVALIDITY 1 SIZE 27 APPENDLIMIT 67108864)|\
                 t OK STATUS completed",
            ),
            ("STATUS INBOX (HIGHESTMODSEQ)", "t BAD that STATUS item is not supported"),
            ("STATUS absent (MESSAGES)", "t NO [NONEXISTENT] no such mailbox"),
            ("RENAME Work Work/x", "t NO [CANNOT] a mailbox cannot move below itself"),
            ("RENAME Work work", "t NO [ALREADYEXISTS] there is a mailbox of that name"),
            ("RENAME Work Old/Work", "t OK RENAME completed"),
            ("RENAME absent x", "t NO [NONEXISTENT] no such mailbox"),
            ("DELETE Old", "t OK DELETE completed"),
            ("DELETE Old", "t NO [HASCHILDREN] there are mailboxes below it"),
            (
                "LIST \"\" Old*",
                "* LIST (\\Noselect \\HasChildren) \"/\" Old|* LIST (\\HasChildren) \"/\" Old/Work|\
                 * LIST (\\HasNoChildren) \"/\" Old/Work/2024|t OK LIST completed",
            ),
            ("SELECT Old", "t NO [NONEXISTENT] no such mailbox"),
            (
                "LIST (SUBSCRIBED) \"\" *",
                "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Work/2024|t OK LIST completed",
            ),
            ("UNSUBSCRIBE Work/2024", "t OK UNSUBSCRIBE completed"),
            ("LSUB \"\" *", "t OK LSUB completed"),
            ("DELETE INBOX", "t NO [CANNOT] INBOX stays"),
            ("DELETE absent", "t NO [NONEXISTENT] no such mailbox"),
        ],
    )
    .await;
}

#[tokio::test]
async fn selecting() {
    let server = Server::start(2).await;
    let account = server.store.account("ann").unwrap();
    account.deliver("INBOX", &[Flag::Seen, Flag::Keyword("$Work".into())], b"\r\n");
    let mut client = server.login().await;
    let flags = "\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work";
    let described = |recent, permanent| {
        format!(
            "* 3 EXISTS|* {recent} RECENT|* FLAGS ({flags})|* OK [PERMANENTFLAGS ({permanent})] flags that can be set|\
             * OK [UNSEEN 1] the first that is unseen|* OK [UIDVALIDITY 1] UIDs are valid|* OK [UIDNEXT 4] the next UID|"
        )
    };
    let examined = described(3, String::new()) + "t OK [READ-ONLY] EXAMINE completed";
    let selected = described(3, format!("{flags} \\*")) + "t OK [READ-WRITE] SELECT completed";
    walk(
        &mut client,
        &[
            ("EXAMINE INBOX", &examined),
            ("STORE 1 FLAGS (\\Seen)", "t NO the mailbox is selected read-only"),
            ("EXPUNGE", "t NO the mailbox is selected read-only"),
            ("FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {8}|body 1|)|t OK FETCH completed"),
            ("FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Recent))|t OK FETCH completed"),
            ("SELECT inbox", &selected),
            ("SELECT absent", "t NO [NONEXISTENT] no such mailbox"),
            ("FETCH 1 FLAGS", "t BAD select a mailbox first"),
            ("SELECT INBOX (CONDSTORE)", "t BAD no parameters are supported here"),
        ],
    )
    .await;
}

#[tokio::test]
async fn fetching() {
    let server = Server::start(3).await;
    let mut client = server.inbox().await;
    walk(
        &mut client,
        &[
            ("FETCH 1 (FLAGS UID)", "* 1 FETCH (FLAGS (\\Recent) UID 1)|t OK FETCH completed"),
            (
                "FETCH 1 BODY[]",
                "* 1 FETCH (BODY[] {27}|Subject: mail 1||body 1| FLAGS (\\Seen \\Recent))|t OK FETCH completed",
            ),
            ("FETCH 1 BODY[TEXT]<2.3>", "* 1 FETCH (BODY[TEXT]<2> {3}|dy )|t OK FETCH completed"),
            (
                "UID FETCH 3,2 RFC822.SIZE",
                "* 2 FETCH (UID 2 RFC822.SIZE 27)|* 3 FETCH (UID 3 RFC822.SIZE 27)|t OK UID FETCH completed",
            ),
            (
                "FETCH 2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY BODY)",
                "* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {19}|Subject: mail 2|| BODY (\"text\" \"plain\" \
                 (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 1))|t OK FETCH completed",
            ),
            (
                "FETCH 2 (RFC822.HEADER RFC822.TEXT FLAGS)",
                "* 2 FETCH (RFC822.HEADER {19}|Subject: mail 2|| RFC822.TEXT {8}|body 2| FLAGS (\\Seen \\Recent))|\
                 t OK FETCH completed",
            ),
            ("FETCH 4 FLAGS", "t BAD there is no message of that number"),
            ("FETCH 2:4 FLAGS", "t BAD there is no message of that number"),
            ("UID FETCH 4:9 FLAGS", "t OK UID FETCH completed"),
            ("UID FETCH 9:* UID", "* 3 FETCH (UID 3)|t OK UID FETCH completed"),
            ("FETCH 1 MODSEQ", "t BAD that FETCH item is not supported"),
            ("FETCH 1 BODY[2]", "* 1 FETCH (BODY[2] NIL)|t OK FETCH completed"),
        ],
    )
    .await;
    let full = client.ask("FETCH 3 FULL").await;
    assert!(full.starts_with("* 3 FETCH (FLAGS (\\Recent) INTERNALDATE \""), "{full}");
    assert!(
        full.contains(" RFC822.SIZE 27 ENVELOPE (NIL \"mail 3\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY ("),
        "{full}"
    );
}

#[tokio::test]
async fn changing_messages() {
    let server = Server::start(4).await;
    let mut client = server.inbox().await;
    walk(
        &mut client,
        &[
            (
                "STORE 1 +FLAGS (\\Seen $Work)",
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)|\
                 * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] flags that can be set|\
                 * 1 FETCH (FLAGS (\\Seen $Work \\Recent))|t OK STORE completed",
            ),
            ("STORE 1 -FLAGS $WORK", "* 1 FETCH (FLAGS (\\Seen \\Recent))|t OK STORE completed"),
            ("UID STORE 2 FLAGS.SILENT \\Deleted", "t OK UID STORE completed"),
            ("UID STORE 1 FLAGS ()", "* 1 FETCH (UID 1 FLAGS (\\Recent))|t OK UID STORE completed"),
            ("STORE 1 FLAGS \\Bogus", "t BAD there is no such system flag"),
            ("COPY 1:2 absent", "t NO [TRYCREATE] no such mailbox"),
            ("CREATE Work", "t OK CREATE completed"),
            ("COPY 1,3 Work", "t OK [COPYUID 2 1,3 1:2] copied"),
            ("UID COPY 9 Work", "t OK there is nothing of that number"),
            ("MOVE 3 Work", "* OK [COPYUID 2 3 3] moved|* 3 EXPUNGE|t OK MOVE completed"),
            ("UID EXPUNGE 3:9", "t OK UID EXPUNGE completed"),
            ("EXPUNGE", "* 2 EXPUNGE|t OK EXPUNGE completed"),
            ("SEARCH UID 1:*", "* SEARCH 1 2|t OK SEARCH completed"),
            ("UID SEARCH ALL", "* SEARCH 1 4|t OK UID SEARCH completed"),
            (
                "UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN",
                "* ESEARCH (TAG \"t\") UID MIN 1 MAX 4 COUNT 2 ALL 1,4|t OK UID SEARCH completed",
            ),
            ("SEARCH RETURN (SAVE) ALL", "t BAD that RETURN option is not supported"),
            ("SEARCH CHARSET KOI8-R ALL", "t NO [BADCHARSET (US-ASCII UTF-8)] that charset is not known"),
            ("SEARCH SUBJECT absent", "* SEARCH|t OK SEARCH completed"),
            ("STORE 2 +FLAGS.SILENT (\\Deleted)", "t OK STORE completed"),
            ("CLOSE", "t OK CLOSE completed"),
            ("STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)|t OK STATUS completed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn appending() {
    let server = Server::start(0).await;
    let mut client = server.inbox().await;
    client.say("t APPEND absent {5}\r\n").await;
    assert_eq!(client.answer().await, "t NO [TRYCREATE] no such mailbox");
    // The octets of a literal that does not wait are read past, whatever they look like.
    client.say("t APPEND absent {13+}\r\nt LOGOUT\r\nxyz\r\nt NOOP\r\n").await;
    assert_eq!(client.answer().await, "t NO [TRYCREATE] no such mailbox");
    assert_eq!(client.answer().await, "t OK NOOP completed");
    client.say("t APPEND INBOX (\\Seen $Work) \" 1-Feb-2024 09:30:00 +0100\" {5}\r\n").await;
    assert_eq!(client.until("\r\n").await, "+ go ahead\r\n");
    client.say("hello\r\n").await;
    let answer = client.answer().await;
    assert!(answer.starts_with("* 1 EXISTS|* 1 RECENT|* FLAGS ("), "{answer}");
    assert!(answer.ends_with("|t OK [APPENDUID 1 1] appended"), "{answer}");
    client.say("t APPEND INBOX {5+}\r\nfirst (\\Flagged) {6+}\r\nsecond\r\n").await;
    assert_eq!(client.answer().await, "* 3 EXISTS|* 3 RECENT|t OK [APPENDUID 1 2:3] appended");
    walk(
        &mut client,
        &[
            (
                "FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])",
                "* 1 FETCH (FLAGS (\\Seen $Work \\Recent) INTERNALDATE \" 1-Feb-2024 09:30:00 +0100\" BODY[] {5}|hello)|\
                 t OK FETCH completed",
            ),
            ("FETCH 3 (FLAGS RFC822.SIZE)", "* 3 FETCH (FLAGS (\\Flagged \\Recent) RFC822.SIZE 6)|t OK FETCH completed"),
            ("APPEND INBOX {67108865}", "t NO [TOOBIG] the message is too large"),
            ("SELECT {70000}", "t BAD the literal is too large"),
            ("BOGUS {5}", "t BAD syntax error at byte 2: expected a command"),
        ],
    )
    .await;
    client.say("t APPEND INBOX \"31-Feb-2024 09:30:00 +0100\" {5+}\r\nhello\r\n").await;
    assert_eq!(client.answer().await, "t BAD there is no such date");
    client.say("t APPEND INBOX {5+}\r\nhe\0lo\r\n").await;
    assert_eq!(client.answer().await, "t NO a message holds no NUL");
}

#[tokio::test]
async fn sessions_see_each_other() {
    let server = Server::start(3).await;
    let mut idle = server.inbox().await;
    let mut other = server.inbox().await;
    idle.say("t IDLE\r\n").await;
    assert_eq!(idle.until("\r\n").await, "+ idling\r\n");
    other.ask("STORE 2 +FLAGS.SILENT \\Flagged").await;
    assert_eq!(idle.until("\r\n").await, "* 2 FETCH (FLAGS (\\Flagged \\Recent))\r\n");
    other.ask("STORE 1 +FLAGS.SILENT \\Deleted").await;
    assert_eq!(idle.until("\r\n").await, "* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n");
    assert_eq!(other.ask("EXPUNGE").await, "* 1 EXPUNGE|t OK EXPUNGE completed");
    assert_eq!(idle.until("\r\n").await, "* 1 EXPUNGE\r\n");
    server.deliver(4);
    assert_eq!(idle.until("RECENT\r\n").await, "* 3 EXISTS\r\n* 3 RECENT\r\n");
    idle.say("DONE\r\n").await;
    assert_eq!(idle.answer().await, "t OK IDLE completed");

    // Numbers hold while a client counts by them: no EXPUNGE with FETCH, STORE and SEARCH.
    other.ask("MOVE 1 INBOX").await;
    walk(
        &mut idle,
        &[
            ("FETCH 1 UID", "* 4 EXISTS|* 3 RECENT|t NO [EXPUNGEISSUED] some of the messages are gone"),
            ("SEARCH ALL", "* SEARCH 2 3 4|t OK SEARCH completed"),
            ("UID FETCH 2 UID", "* 1 EXPUNGE|t OK UID FETCH completed"),
            ("NOOP", "t OK NOOP completed"),
            ("IDLE {5}", "t BAD syntax error at byte 6: expected the end of the command"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_deleted_mailbox_ends_the_sessions_in_it() {
    let server = Server::start(0).await;
    let mut client = server.login().await;
    let mut other = server.login().await;
    client.ask("CREATE Work").await;
    client.ask("SELECT Work").await;
    other.ask("SELECT Work").await;
    assert_eq!(other.ask("DELETE Work").await, "t OK DELETE completed");
    assert_eq!(other.ask("CHECK").await, "t BAD select a mailbox first");
    assert_eq!(client.ask("NOOP").await, "* BYE the selected mailbox has been deleted|t OK NOOP completed");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn pipelined_and_broken_input() {
    let server = Server::start(1).await;
    let mut client = server.inbox().await;
    client.say("t NOOP\r\nt UID SEARCH 1\r\n\r\nt CHE").await;
    assert_eq!(client.answer().await, "t OK NOOP completed");
    assert_eq!(client.answer().await, "* SEARCH 1|t OK UID SEARCH completed");
    client.say("CK\r\nt NOOP\nt SELECT \"x\r\nt SELECT {05}\r\n").await;
    assert_eq!(client.answer().await, "t OK CHECK completed");
    assert_eq!(client.answer().await, "t BAD lines end in CR LF");
    assert_eq!(client.answer().await, "t BAD a quoted string does not end");
    assert_eq!(client.answer().await, "t BAD no literal is announced like that");
    client.say(&"x".repeat(70_000)).await;
    assert_eq!(client.rest().await, "* BYE the line is too long|");
}

#[tokio::test]
async fn cutting_never_matters() {
    let script = "t LOGIN {3+}\r\nann {11+}\r\nsecret word\r\nt SELECT {5+}\r\ninbox\r\nt IDLE\r\nDONE\r\n\
                  t APPEND {5+}\r\nINBOX (\\Seen) {13+}\r\nt LOGOUT\r\nx\r\n {2+}\r\n\r\n\r\n\
                  t UID SEARCH HEADER {7+}\r\nSubject {0+}\r\n\r\nt UID FETCH 1:* (FLAGS BODY.PEEK[])\r\nt LOGOUT\r\n";
    let mut heard = Vec::new();
    for cut in [script.len(), 1, 7] {
        let server = Server::start(1).await;
        let mut client = Client::connect(server.address).await;
        for piece in script.as_bytes().chunks(cut) {
            client.stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        heard.push(client.rest().await);
    }
    assert!(
        heard[0].contains("|t OK [APPENDUID 1 2:3] appended|* SEARCH 1|t OK UID SEARCH completed|"),
        "{}",
        heard[0]
    );
    assert!(heard[0].ends_with("* BYE logging out|t OK LOGOUT completed|"), "{}", heard[0]);
    assert!(heard.iter().all(|other| *other == heard[0]), "{heard:?}");
}
