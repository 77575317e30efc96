//! Sessions from a seed: most of them what a client might say, the rest what none should.

use imapwarden::imap::verb::{Phase, Verb};

use super::messages::{put_items, put_keys, put_messages, put_search, put_set, put_sort, put_store};
use super::names::{Line, Pool};
use super::random::Random;
use super::script::{LoginForm, Meanwhile, Said, Step};

/// What sessions are to be like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Is there something hidden that may change meanwhile?
    pub meanwhile: bool,
    /// May others change what is visible, past the proxy?
    pub others: bool,
    /// May there be two connections to one account?
    pub two: bool,
    /// Are others about often, also while a client idles?
    pub busy: bool,
    /// May mailboxes be given names? Those that are hidden are reserved, and told from others so.
    pub naming: bool,
}

/// The session of this seed.
pub fn session(seed: u64, pool: &Pool, plan: Plan) -> Vec<Step> {
    let mut r = Random::new(seed);
    let pool = &pool.focused(&mut r);
    let (naming, busy) = (plan.naming, plan.busy);
    let mut generator = Generator { r, pool, tags: 0, steps: Vec::new(), selected: [false; 2], naming, busy };
    generator.run(plan);
    generator.steps
}

struct Generator<'p> {
    r: Random,
    pool: &'p Pool,
    tags: usize,
    steps: Vec<Step>,
    /// Is a mailbox most likely open?
    selected: [bool; 2],
    naming: bool,
    busy: bool,
}

impl Generator<'_> {
    fn run(&mut self, plan: Plan) {
        let connections = if plan.two && self.r.chance(if plan.busy { 40 } else { 20 }) { 2 } else { 1 };
        for who in 0..connections {
            if self.r.chance(15) {
                self.step(who);
            }
            if self.r.chance(4) {
                let form = self.login_form();
                self.steps.push(Step::Login { who, form, right: false });
            }
            let form = self.login_form();
            self.steps.push(Step::Login { who, form, right: true });
        }
        for _ in 0..4 + self.r.below(14) {
            let often = if plan.busy { 2 } else { 1 };
            if plan.meanwhile && self.r.chance(6 * often) {
                let what = self.hidden_change();
                self.steps.push(Step::Meanwhile(what));
            }
            if plan.others && self.r.chance(8 * often) {
                let what = self.visible_change();
                self.steps.push(Step::Meanwhile(what));
            }
            let who = self.r.below(connections);
            self.step(who);
        }
        if self.r.chance(40) {
            self.verbs(0, &[Verb::Logout]);
        }
    }

    fn hidden_change(&mut self) -> Meanwhile {
        [Meanwhile::Delivered, Meanwhile::Created, Meanwhile::Removed, Meanwhile::Subscribed][self.r.below(4)]
    }

    fn visible_change(&mut self) -> Meanwhile {
        let all = [Meanwhile::Arrived, Meanwhile::Flagged, Meanwhile::Vanished, Meanwhile::Marked];
        all[self.r.below(if self.busy { 4 } else { 3 })]
    }

    fn login_form(&mut self) -> LoginForm {
        use LoginForm::{Atom, Literal, LoginAsked, PlainAsked, PlainAtOnce, Quoted, Unasked};
        [Atom, Quoted, Literal, Unasked, PlainAtOnce, PlainAsked, LoginAsked][self.r.below(7)]
    }

    fn step(&mut self, who: usize) {
        match self.r.below(100) {
            0..=4 => self.garbage(who),
            5..=9 => self.mangled(who),
            10..=13 => self.idle(who),
            14..=27 => {
                let count = 2 + self.r.below(4);
                let mut verbs: Vec<Verb> = (0..count).map(|_| self.verb(who)).collect();
                if self.r.chance(35) {
                    // What stands behind it is about another mailbox.
                    verbs[0] = Verb::Select;
                    verbs[1] = [Verb::Expunge, Verb::Store, Verb::Close, Verb::Fetch, Verb::Move][self.r.below(5)];
                }
                self.verbs(who, &verbs);
            }
            _ => {
                let verb = self.verb(who);
                self.verbs(who, &[verb]);
            }
        }
    }

    /// The next command of a client, more or less.
    fn verb(&mut self, who: usize) -> Verb {
        if !self.selected[who] && self.r.chance(25) {
            return if self.r.chance(80) { Verb::Select } else { Verb::Examine };
        }
        let mut weights: Vec<(usize, Verb)> =
            Verb::ALL.iter().map(|verb| (weight(*verb, self.selected[who]), *verb)).collect();
        let named = |verb: Verb| matches!(verb, Verb::Create | Verb::Rename);
        weights.retain(|(_, verb)| self.naming || !named(*verb));
        self.r.weighted(&weights)
    }

    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("{}{}", self.r.pick(&["a", "A", "x.", "t", "c-"]), self.tags)
    }

    /// These commands, without a pause between them where there are several.
    fn verbs(&mut self, who: usize, verbs: &[Verb]) {
        let mut line = Line::new(verbs.len() > 1);
        let (mut tags, mut begins) = (Vec::new(), Vec::new());
        for verb in verbs {
            begins.push(line.parts.concat().len());
            let tag = self.tag();
            line.text(&tag).text(" ");
            self.command(*verb, &mut line);
            line.text("\r\n");
            tags.push(tag);
            match verb {
                Verb::Select | Verb::Examine => self.selected[who] = true,
                Verb::Close | Verb::Unselect | Verb::Logout => self.selected[who] = false,
                _ => {}
            }
        }
        self.steps.push(Step::Say { who, said: Said { parts: line.parts, tags, begins, ..Said::default() } });
    }

    fn idle(&mut self, who: usize) {
        let tag = self.tag();
        let end = if self.r.chance(85) {
            self.r.pick(&["DONE\r\n", "done\r\n"]).to_owned()
        } else {
            format!("{} NOOP\r\n", self.tag())
        };
        let meanwhile = match self.busy.then(|| self.r.below(4)) {
            Some(0 | 1) => Some(self.hidden_change()),
            Some(2) => Some(self.visible_change()),
            _ => None,
        };
        let parts = vec![format!("{tag} IDLE\r\n").into_bytes(), end.into_bytes()];
        self.steps.push(Step::Say { who, said: Said { parts, tags: vec![tag], meanwhile, ..Said::default() } });
    }

    /// What is no command, and a NOOP behind it.
    fn garbage(&mut self, who: usize) {
        let tag = self.tag();
        let name = String::from_utf8_lossy(&self.pool.odd(&mut self.r)).into_owned();
        let lines: &[&str] = &[
            "* SELECT Finance",
            "+ NOOP",
            "a\"b NOOP",
            "",
            " NOOP",
            "@ UID UID FETCH 1 FLAGS",
            "@ UID NOOP",
            "@ UID SELECT @n",
            "@ SELECT @n (X-SOMETHING)",
            "@ SELECT @n (CONDSTORE)",
            "@ SELECT @n (QRESYNC (1700000001 1))",
            "@ EXAMINE @n extra",
            "@ SELECT",
            "@ SELECT \"@n",
            "@ LIST \"\" \"x {5}",
            "@ STATUS @n ()",
            "@ STATUS @n MESSAGES",
            "@ RENAME @n",
            "@ CREATE @n (USE \\Trash)",
            "@ XYZZY @n",
            "@ FIND MAILBOXES *",
            "@ SCAN \"\" * x",
            "@ GENURLAUTH \"imap://x/@n;UID=1;URLAUTH=anonymous\" INTERNAL",
            "@ URLFETCH \"imap://x/@n;UID=1\"",
            "@ RESETKEY @n",
            "@ UNAUTHENTICATE",
            "@ X-EXPUNGE @n",
            "@ CONVERT 1 (\"text/plain\")",
            "@  NOOP",
            "@\tNOOP",
            "@ NOOP ",
            "@ SELECT {99999999999}",
            "@ SELECT {-1}",
            "@ SELECT {007}",
            "DONE",
            "@ NOOP\n@ SELECT @n",
            "@ NOOP\r",
            "\u{0}",
            "@ SELECT \u{e9}",
            "@ COPY 1 @n extra",
            "@ FETCH 1 (BODY[)",
            "@ STORE 1 FLAGS",
            "@ LIST (X) \"\" *",
            "@ LIST \"\" * RETURN (X)",
            "@ LIST \"\" (* %",
            "@ STATUS ~~ (MESSAGES)",
            "@ LIST \"\" (~~ @n ~~)",
            "@ NOOP ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ];
        let line = self.r.pick(lines).replace("@n", &name).replace('@', &tag).replace('~', &"x%".repeat(700));
        let end = self.tag();
        let parts = vec![format!("{line}\r\n{end} NOOP\r\n").into_bytes()];
        self.steps.push(Step::Say { who, said: Said { parts, tags: vec![end], ..Said::default() } });
    }

    /// A command with a few octets changed, and a NOOP behind it.
    fn mangled(&mut self, who: usize) {
        let verb = loop {
            let verb = self.verb(who);
            // The lines behind these are no commands.
            if !matches!(verb, Verb::Idle | Verb::Authenticate | Verb::Append | Verb::Replace | Verb::UidReplace) {
                break verb;
            }
        };
        let mut line = Line::new(true);
        let tag = self.tag();
        line.text(&tag).text(" ");
        self.command(verb, &mut line);
        let mut octets = line.parts.concat();
        octets.retain(|octet| !b"{}\r\n".contains(octet));
        for _ in 0..=self.r.below(2) {
            let at = tag.len() + 1 + self.r.below(octets.len().saturating_sub(tag.len()).max(1));
            let at = at.min(octets.len().saturating_sub(1));
            match self.r.below(4) {
                0 => {
                    octets.remove(at);
                }
                1 => octets.insert(at, b" \"()\\*%[]&/.;a1\t\x00\xff"[self.r.below(18)]),
                2 => octets[at] ^= 0x20,
                _ => octets.truncate(at + 1),
            }
        }
        octets.retain(|octet| !b"{}\r\n".contains(octet));
        let end = self.tag();
        octets.extend_from_slice(format!("\r\n{end} NOOP\r\n").as_bytes());
        self.steps.push(Step::Say { who, said: Said { parts: vec![octets], tags: vec![end], ..Said::default() } });
    }

    /// A command behind its tag.
    fn command(&mut self, verb: Verb, line: &mut Line) {
        let name = verb.name();
        let name = match self.r.below(10) {
            0 => name.to_ascii_lowercase(),
            1 => name.chars().map(|c| if self.r.chance(50) { c.to_ascii_lowercase() } else { c }).collect(),
            _ => name.to_owned(),
        };
        line.text(&name);
        let (r, pool) = (&mut self.r, self.pool);
        match verb {
            Verb::Capability
            | Verb::Noop
            | Verb::Logout
            | Verb::StartTls
            | Verb::Namespace
            | Verb::Idle
            | Verb::Check
            | Verb::Close
            | Verb::Unselect
            | Verb::Expunge => {}
            Verb::Id => {
                line.text(r.pick(&[
                    " NIL",
                    " (\"name\" \"x\" \"version\" \"1\")",
                    " (\"name\" NIL)",
                    " ()",
                    " (\"name\")",
                ]));
            }
            Verb::Authenticate => {
                line.text(r.pick(&[" XYZ", " PLAIN =", " PLAIN !", " ANONYMOUS eA=="]));
            }
            Verb::Login => {
                line.text(" nobody wrong");
            }
            Verb::Enable => {
                let known = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2", "X-NONE", "UIDONLY"];
                line.text(" ").text(&r.some(&known, 1).join(" "));
            }
            Verb::Compress => {
                line.text(" DEFLATE");
            }
            Verb::Select | Verb::Examine => {
                line.text(" ");
                pool.put_visible(r, line);
                if r.chance(8) {
                    line.text(r.pick(&[" (CONDSTORE)", " (QRESYNC (1700000001 1))", " (ANNOTATE)"]));
                }
            }
            Verb::Create => {
                line.text(" ");
                pool.put(r, line);
                if r.chance(8) {
                    line.text(r.pick(&[" (USE (\\Trash))", " (USE (\\Junk))", " (USE (\\All \\Sent))", " ()"]));
                }
            }
            Verb::Delete | Verb::Subscribe | Verb::Unsubscribe | Verb::GetAcl | Verb::MyRights | Verb::GetQuotaRoot => {
                line.text(" ");
                pool.put(r, line);
            }
            Verb::Rename => {
                line.text(" ");
                match pool.above(r).filter(|_| r.chance(35)) {
                    Some(above) => _ = line.string(r, above.as_bytes()),
                    None => pool.put(r, line),
                }
                line.text(" ");
                pool.put(r, line);
            }
            Verb::List => put_list(pool, r, line),
            Verb::Lsub | Verb::Xlist => {
                line.text(" ");
                pool.put_reference(r, line);
                line.text(" ");
                pool.put_pattern(r, line);
            }
            Verb::Status => {
                line.text(" ");
                pool.put(r, line);
                line.text(" ").text(&status_items(r));
            }
            Verb::Append => {
                line.text(" ");
                pool.put(r, line);
                put_messages(pool, r, line, true);
            }
            Verb::Replace | Verb::UidReplace => {
                line.text(" ");
                put_set(r, line);
                line.text(" ");
                pool.put(r, line);
                put_messages(pool, r, line, false);
            }
            Verb::SetAcl => {
                line.text(" ");
                pool.put(r, line);
                line.text(r.pick(&[" anyone lrswipkxtea", " bob +lr", " owner \"\"", " -ann lr"]));
            }
            Verb::DeleteAcl | Verb::ListRights => {
                line.text(" ");
                pool.put(r, line);
                line.text(r.pick(&[" anyone", " owner", " bob"]));
            }
            Verb::GetQuota => {
                line.text(r.pick(&[" \"\"", " \"User quota\"", " Finance"]));
            }
            Verb::SetQuota => {
                line.text(r.pick(&[" \"User quota\" (STORAGE 1)", " \"\" ()"]));
            }
            Verb::GetMetadata => {
                if r.chance(20) {
                    line.text(r.pick(&[" (DEPTH infinity)", " (MAXSIZE 10)"]));
                }
                line.text(" ");
                if r.chance(20) {
                    line.text("\"\"");
                } else {
                    pool.put(r, line);
                }
                line.text(r.pick(&[" /private/comment", " (/shared/comment /private/x)", " /shared"]));
            }
            Verb::SetMetadata => {
                line.text(" ");
                if r.chance(20) {
                    line.text("\"\"");
                } else {
                    pool.put(r, line);
                }
                line.text(r.pick(&[
                    " (/private/comment \"x\")",
                    " (/shared/comment NIL)",
                    " (/private/specialuse \"\\\\Trash\")",
                ]));
            }
            Verb::Notify => {
                let name = pool.name(r);
                line.text(&match r.below(5) {
                    0 => " NONE".to_owned(),
                    1 => " SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MailboxName))".to_owned(),
                    2 => " SET STATUS (personal (MessageNew MessageExpunge))".to_owned(),
                    3 => format!(" SET (mailboxes \"{name}\" (MessageNew MessageExpunge))"),
                    _ => format!(" SET (subtree (\"{name}\" INBOX) (MessageNew MessageExpunge MailboxName))"),
                });
            }
            Verb::Esearch => {
                let name = pool.name(r);
                line.text(&match r.below(3) {
                    0 => " IN (personal) ".to_owned(),
                    1 => format!(" IN (mailboxes \"{name}\") RETURN (COUNT) "),
                    _ => format!(" IN (subtree \"{name}\") "),
                });
                put_keys(r, line);
            }
            Verb::UidExpunge => {
                line.text(" ");
                put_set(r, line);
            }
            Verb::Search | Verb::UidSearch => {
                line.text(" ");
                put_search(r, line);
            }
            Verb::Fetch | Verb::UidFetch => {
                line.text(" ");
                put_set(r, line);
                line.text(" ");
                put_items(r, line);
            }
            Verb::Store | Verb::UidStore => {
                line.text(" ");
                put_set(r, line);
                line.text(" ");
                put_store(r, line);
            }
            Verb::Copy | Verb::UidCopy | Verb::Move | Verb::UidMove => {
                line.text(" ");
                put_set(r, line);
                line.text(" ");
                pool.put(r, line);
            }
            Verb::Sort | Verb::UidSort => {
                line.text(" ");
                put_sort(
                    r,
                    line,
                    &["(ARRIVAL)", "(SUBJECT)", "(REVERSE SIZE)", "(FROM DATE)", "(DISPLAYFROM)", "(X-SCORE)", "()"],
                );
            }
            Verb::Thread | Verb::UidThread => {
                line.text(" ");
                put_sort(r, line, &["REFERENCES", "ORDEREDSUBJECT", "REFS", "X-NONE"]);
            }
            Verb::CancelUpdate => {
                line.text(" \"a1\"");
            }
            Verb::UidBatches => {
                line.text(r.pick(&[" 2", " 1 1:2", " 500"]));
            }
        }
    }
}

/// How often a command comes, among all.
fn weight(verb: Verb, selected: bool) -> usize {
    match verb {
        Verb::Logout | Verb::Login | Verb::Authenticate | Verb::StartTls | Verb::Compress => 1,
        Verb::Idle => 0, // has a step of its own
        Verb::List => 16,
        Verb::Lsub | Verb::Create | Verb::Delete | Verb::Rename | Verb::Status => 10,
        Verb::Select | Verb::Subscribe | Verb::Unsubscribe | Verb::Append => 8,
        Verb::Examine | Verb::Noop | Verb::Close => 4,
        Verb::Store | Verb::UidStore | Verb::Fetch | Verb::UidFetch if selected => 16,
        Verb::Copy | Verb::UidCopy | Verb::Move | Verb::UidMove | Verb::Expunge | Verb::UidExpunge if selected => 8,
        _ if !selected && !verb.legal_in(Phase::Authenticated) => 1,
        _ => 3,
    }
}

fn status_items(r: &mut Random) -> String {
    let items = [
        "MESSAGES",
        "RECENT",
        "UIDNEXT",
        "UIDVALIDITY",
        "UNSEEN",
        "HIGHESTMODSEQ",
        "SIZE",
        "DELETED",
        "APPENDLIMIT",
        "MAILBOXID",
        "X-GUID",
        "X-SIZE",
    ];
    let most = if r.chance(85) { 5 } else { items.len() };
    format!("({})", r.some(&items[..most], 3).join(" "))
}

/// LIST in all its forms.
pub fn put_list(pool: &Pool, r: &mut Random, line: &mut Line) {
    line.text(" ");
    if r.chance(30) {
        let options = ["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"];
        let chosen: Vec<&str> = (0..r.below(3)).map(|_| r.pick(&options)).collect();
        line.text(&format!("({}) ", chosen.join(" ")));
    }
    pool.put_reference(r, line);
    line.text(" ");
    if r.chance(20) {
        line.text("(");
        for at in 0..=r.below(3) {
            if at > 0 {
                line.text(" ");
            }
            pool.put_pattern(r, line);
        }
        line.text(")");
    } else {
        pool.put_pattern(r, line);
    }
    if r.chance(30) {
        let status = format!("STATUS {}", status_items(r));
        let options =
            ["SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS", "METADATA (/private/comment)", &status, &status];
        let chosen: Vec<&str> = (0..r.below(4)).map(|_| r.pick(&options)).collect();
        line.text(&format!(" RETURN ({})", chosen.join(" ")));
    }
}
