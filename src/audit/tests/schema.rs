//! `schema/audit-v1.schema.json` describes every line that any event can become.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use boon::{Compiler, SchemaIndex, Schemas};

use super::*;
use crate::audit::record::{self, LogName, MAX_LINE};
use crate::audit::stamp::Stamp;
use crate::audit::{HashKey, HashedField, Hashing, ids};
use crate::imap::message::{Flag, Uid, UidSet};
use crate::imap::verb::Verb;
use crate::session::event::*;

const SCHEMA: &str = include_str!("../../../schema/audit-v1.schema.json");

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// The published schema lets readers ignore what they do not know. What we write has to be described.
    fn closed() -> Self {
        let mut schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        close(&mut schema);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).expect("it is a resource");
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    fn check(&self, line: &[u8]) -> Result<Value, String> {
        let value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        self.schemas.validate(&value, self.index).map_err(|error| format!("{error:#}"))?;
        Ok(value)
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("type").is_some_and(|name| name == "object") && object.contains_key("properties") {
                object.insert("additionalProperties".into(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_line_of_every_event_is_described() {
    let schema = Schema::closed();
    let mut codes = BTreeMap::new();
    let (mut pointers, hashing) = (0, hashing());
    for seed in 0..100 {
        let mut some = Contents(seed);
        let hashing = Some(Arc::clone(&hashing)).filter(|_| seed % 2 == 1);
        let name = LogName { log: ids::log_id(), node: "mx-a1".into(), hashing };
        for kind in some.kinds() {
            let event = some.event(kind);
            let (mut position, mut lines) = (Position { next_seq: seed, ..Position::START }, Vec::new());
            let n = record::write(
                &event,
                &Stamp::new(jiff::Timestamp::UNIX_EPOCH),
                &name,
                some.maybe(Contents::u64),
                &mut position,
                &mut lines,
            );
            let lines: Vec<_> = lines.split_inclusive(|byte| *byte == b'\n').collect();
            assert_eq!(lines.len() as u64, n);
            for (at, bytes) in lines.iter().enumerate() {
                assert!(bytes.len() <= MAX_LINE, "{} octets of {event:?}", bytes.len());
                let line = schema.check(bytes).unwrap_or_else(|error| {
                    panic!("seed {seed}: {}\n{error}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]))
                });
                assert_eq!(line["more"] == true, at + 1 < lines.len() || event.more, "all but the last go on");
                for pointer in line["hashed"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let value = line.pointer(pointer).and_then(Value::as_str);
                    assert!(value.is_some_and(|value| value.contains("h:")), "{pointer} of {line}");
                    pointers += 1;
                }
                assert!(line["hashed"].is_null() || name.hashing.is_some());
                let [code, kind] = ["code", "type"].map(|key| line[key].as_str().expect("a word").to_owned());
                let known = codes.entry(code).or_insert_with(|| kind.clone());
                assert_eq!(*known, kind, "a code is of one type: {line}");
            }
        }
    }
    assert!(pointers > 1000, "{pointers} hashes");
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let described = schema["properties"]["code"]["enum"].as_array().expect("codes");
    let described: BTreeSet<_> = described.iter().map(|code| code.as_str().expect("a code").to_owned()).collect();
    assert_eq!(described, codes.into_keys().collect(), "described, and written");
}

/// Everything that can be hashed, under a key that is always the same.
fn hashing() -> Arc<Hashing> {
    let key = HashKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("a key");
    Arc::new(Hashing { key, fields: HashedField::ALL.into() })
}

#[test]
fn what_is_hashed_is_nowhere_else_and_found_by_its_hash() {
    use HashedField as F;
    let hdr = HeaderFacts {
        message_id: Some("<id@x>".into()),
        from: Some("canary-from@x".into()),
        to: Some("canary-to@x,canary-two@x".into()),
        date: Some("today".into()),
        subject: Some("Canary subject".into()),
    };
    let message = |uid| ReadMessage {
        uid: Uid::new(uid),
        class: ReadClass::Full,
        bytes: 1,
        size: None,
        parts: Vec::new(),
        emailid: None,
        hdr: Some(Box::new(hdr.clone())),
    };
    let kinds = [
        EventKind::MessageReadDone { sets: Vec::new(), msgs: vec![message(1), message(2)] },
        EventKind::MessageSearch {
            keys: vec!["SUBJECT"],
            terms: vec!["canary-term".into(), "canary-more".into()],
            content: true,
            hits: None,
            uids: None,
            hidden: None,
        },
        EventKind::MessageCopy {
            op: CopyOp::Copy,
            dst: "Canary/To".into(),
            dst_uidv: None,
            uids: None,
            dst_uids: None,
            n: None,
        },
        EventKind::MailboxChange { op: MailboxChange::Rename, to: Some("canary-name".into()) },
        EventKind::MailboxList { op: ListOp::List, reference: "".into(), pattern: "canary/%".into(), n: 0, hidden: 0 },
        EventKind::MailboxList { op: ListOp::List, reference: "".into(), pattern: "*".into(), n: 0, hidden: 0 },
        EventKind::AdminAction {
            who: "on-call".into(),
            role: None,
            method: "POST".into(),
            route: "/api/v1/kill".into(),
            target: Some("older=1h user=Canary Ann ip=203.0.113.9 state=idle".into()),
            status: None,
            refused: false,
        },
    ];
    let hashing = hashing();
    let name = LogName { log: ids::log_id(), node: "mx-a1".into(), hashing: Some(Arc::clone(&hashing)) };
    let ctx = EventContext {
        sid: Some(ids::session_id()),
        user: Some("Canary-Ann".into()),
        actor: Some("canary-admin".into()),
        client_ip: Some([203, 0, 113, 9].into()),
        ..EventContext::default()
    };
    let (mut position, mut lines) = (Position::START, Vec::new());
    for kind in kinds {
        let mut event = Event::new(Arc::new(ctx.clone()), kind);
        event.mailbox = Some(Arc::new(MailboxRef::named("Canary/Böx".into())));
        record::write(&event, &Stamp::new(jiff::Timestamp::UNIX_EPOCH), &name, None, &mut position, &mut lines);
    }
    let text = String::from_utf8(lines).expect("UTF-8");
    assert!(!text.to_lowercase().contains("canary") && !text.contains("203.0.113.9"), "{text}");
    let hash = |field, value| hashing.key.hash(field, value);
    let addresses = [hash(F::Address, "canary-to@x"), hash(F::Address, "canary-two@x")].join(",");
    for (name, at, pointer, value) in [
        ("user", 0, "/user", hash(F::User, "canary-ann")),
        ("actor", 0, "/actor", hash(F::User, "canary-admin")),
        ("address", 0, "/client_ip", hash(F::ClientIp, "203.0.113.9")),
        ("mailbox", 0, "/mailbox/name", hash(F::Mailbox, "canary/bo\u{308}x")),
        ("From", 0, "/data/msgs/1/hdr/from", hash(F::Address, "canary-from@x")),
        ("each of To", 0, "/data/msgs/0/hdr/to", addresses),
        ("subject", 0, "/data/msgs/1/hdr/subject", hash(F::Subject, "canary subject")),
        ("Message-ID", 0, "/data/msgs/1/hdr/message_id", "<id@x>".to_owned()),
        ("term", 1, "/data/terms/1", hash(F::Search, "canary-more")),
        ("to where", 2, "/data/dst", hash(F::Mailbox, "canary/to")),
        ("new name", 3, "/data/to", hash(F::Mailbox, "canary-name")),
        ("pattern", 4, "/data/pattern", hash(F::Mailbox, "canary/%")),
        ("a pattern that tells nothing", 5, "/data/pattern", "*".to_owned()),
        (
            "whom a request is about",
            6,
            "/data/target",
            format!("older=1h user={} ip={} state=idle", hash(F::User, "canary ann"), hash(F::ClientIp, "203.0.113.9")),
        ),
    ] {
        let line: Value = serde_json::from_str(text.lines().nth(at).expect("a line")).expect("JSON");
        assert_eq!(line.pointer(pointer).and_then(Value::as_str), Some(&*value), "{name}");
        let told = line["hashed"].as_array().is_some_and(|list| list.iter().any(|told| told == pointer));
        assert_eq!(told, value.contains("h:"), "{name}");
    }
}

/// Lines of every type, for those who read them.
pub(crate) fn lines(seeds: u64) -> Vec<Vec<u8>> {
    let mut name = LogName { log: "01k9z3t0m4".into(), node: "mx-a1".into(), hashing: None };
    let at: jiff::Timestamp = "2027-01-13T02:13:32.053604Z".parse().expect("a time");
    let (mut position, mut lines) = (Position::START, Vec::new());
    for seed in 0..seeds {
        let mut some = Contents(seed);
        name.hashing = Some(hashing()).filter(|_| seed % 3 == 2);
        for kind in some.kinds() {
            let event = some.event(kind);
            record::write(&event, &Stamp::new(at), &name, Some(seed), &mut position, &mut lines);
        }
    }
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(<[u8]>::to_vec).collect()
}

#[test]
fn the_documented_example_is_described_and_chained() {
    let lines = [
        r#"{"v":1,"seq":3,"prev":"MlJAFB4Z0FpL3OmDjcd-3bAEVFYnh26UXC2ZiKaz9ps","log":"01k9z3t0m4","node":"mx-a1","ts":"2027-01-13T02:13:32.005484Z","type":"message.read","code":"MS100I","sid":"4c2q8m0v7x1t","cmd":5,"verb":"UID FETCH","stage":"intent","user":"m.berg@example.org","client_ip":"203.0.113.77","mailbox":{"name":"INBOX","uidv":1700000001},"policy":{"rev":"9b1d02c4","verdict":"narrowed","by":["hide-board-mail"]},"data":{"uids":"4410,4412","want":"full"}}"#,
        r#"{"v":1,"seq":4,"prev":"fJAPuOYv8tySYN_Jciw5zrCgHBePytfgf95lHU5_GI0","log":"01k9z3t0m4","node":"mx-a1","ts":"2027-01-13T02:13:32.053604Z","type":"message.read","code":"MS101I","sid":"4c2q8m0v7x1t","cmd":5,"verb":"UID FETCH","stage":"done","user":"m.berg@example.org","client_ip":"203.0.113.77","mailbox":{"name":"INBOX","uidv":1700000001},"result":{"status":"OK"},"lat_us":48120,"data":{"intent":3,"n":2,"bytes":88213,"msgs":[{"uid":4410,"cls":"full","bytes":81900},{"uid":4412,"cls":"part","bytes":6313,"size":240551,"cov":0.03,"parts":["1.1"]}]}}"#,
        r#"{"v":1,"seq":5,"prev":"uAnWGulM7lysSpcF9bzNJYqs6kkJrA7qXl-x5SUoKbA","log":"01k9z3t0m4","node":"mx-a1","ts":"2027-01-13T02:13:41.009597Z","type":"message.copy","code":"MS130W","sid":"4c2q8m0v7x1t","cmd":6,"verb":"UID COPY","stage":"refused","user":"m.berg@example.org","client_ip":"203.0.113.77","mailbox":{"name":"INBOX","uidv":1700000001},"policy":{"rev":"9b1d02c4","verdict":"refused","by":["no-export-finance"]},"result":{"status":"NO","code":"NOPERM"},"data":{"op":"copy","uids":"4410","dst":"Archive/Private"}}"#,
    ];
    let schema = Schema::closed();
    let mut position = Position { next_seq: 3, ..Position::START };
    for text in lines {
        schema.check(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let line = Line::parse(text.as_bytes()).expect("a record");
        assert!(position.prev == Hash::ZERO || line.follows(position), "{text}");
        position = position.after(text.as_bytes());
    }
    assert_eq!(position.prev.to_string(), "Dm5mxCiycC4J_gAH3AZgcYTrAYOPLMT7nXtF-Ijpci4");
}

#[test]
fn the_schema_refuses_what_is_not_described() {
    let schema = Schema::closed();
    let right = r#"{"v":1,"seq":0,"prev":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","log":"01k9z3t0m4","node":"a","ts":"2027-01-13T02:13:32.005484Z","type":"proxy.stop","code":"SY101I","data":{"reason":"drained"}}"#;
    schema.check(right.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    for (name, from, to) in [
        ("another version", "\"v\":1", "\"v\":2"),
        ("a negative number", "\"seq\":0", "\"seq\":-1"),
        ("a hash cut", "AAAA\"", "AAA\""),
        ("no microseconds", ".005484Z", "Z"),
        ("a code of another type", "SY101I", "SY100I"),
        ("an unknown type", "proxy.stop", "proxy.halt"),
        ("an unknown reason", "drained", "tired"),
        ("an unknown field", "\"node\"", "\"nodes\":1,\"node\""),
        ("an unknown field of its data", "\"reason\"", "\"why\":1,\"reason\""),
        ("no data", ",\"data\":{\"reason\":\"drained\"}", ""),
    ] {
        assert!(right.contains(from), "{name}");
        assert!(schema.check(right.replacen(from, to, 1).as_bytes()).is_err(), "{name}");
    }
}

/// Contents of every sort, from a seed: mostly short and harmless, at times long, hostile or empty.
struct Contents(u64);

impl Contents {
    fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 31) ^ (self.0 << 33)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.u64() % end
    }

    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    fn bool(&mut self) -> bool {
        self.below(2) == 0
    }

    fn maybe<T>(&mut self, make: fn(&mut Self) -> T) -> Option<T> {
        if self.bool() { Some(make(self)) } else { None }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn list<T>(&mut self, make: fn(&mut Self) -> T) -> Vec<T> {
        let n = if self.below(20) == 0 { self.below(800) } else { self.below(4) };
        (0..n).map(|_| make(self)).collect()
    }

    fn text<T: for<'t> From<&'t str>>(&mut self) -> T {
        const HOSTILE: [&str; 8] = [
            "\",\"seq\":0,\"x\":\"",
            "\r\n{\"v\":1}\n",
            "\0\u{1b}[2J",
            "\u{202e}",
            "\\",
            "Entwürfe/草稿",
            "🗄",
            "\u{85}\u{2028}",
        ];
        let text = match self.below(12) {
            0 => String::new(),
            1 | 2 => (0..self.below(6)).map(|_| self.pick(&HOSTILE)).collect(),
            3 => self.pick(&HOSTILE).repeat(self.below(3000) as usize),
            _ => format!("text-{}", self.u32()),
        };
        T::from(&text)
    }

    fn arc(&mut self) -> Arc<str> {
        self.text()
    }

    fn boxed(&mut self) -> Box<str> {
        self.text()
    }

    fn uid(&mut self) -> Uid {
        Uid::new(self.u32().max(1)).expect("it is not 0")
    }

    fn uids(&mut self) -> UidSet {
        let mut uids = UidSet::new();
        let runs = if self.below(12) == 0 { self.below(9000) } else { self.below(4) };
        for _ in 0..runs {
            let first = self.uid();
            let last = first.get().saturating_add(self.below(3) as u32);
            uids.insert_run(first, Uid::new(last).expect("it is not 0"));
        }
        uids
    }

    fn flag(&mut self) -> Flag {
        match self.below(3) {
            0 => Flag::Seen,
            1 => Flag::Extension(self.text()),
            _ => Flag::Keyword(self.text()),
        }
    }

    fn hdr(&mut self) -> Box<HeaderFacts> {
        Box::new(HeaderFacts {
            message_id: self.maybe(Self::boxed),
            from: self.maybe(Self::boxed),
            to: self.maybe(Self::boxed),
            date: self.maybe(Self::boxed),
            subject: self.maybe(Self::boxed),
        })
    }

    fn set(&mut self) -> ReadSet {
        ReadSet { class: self.pick(&ReadClass::ALL), uids: self.maybe(Self::uids), n: self.below(1 << 32), bytes: 0 }
    }

    fn message(&mut self) -> ReadMessage {
        ReadMessage {
            uid: self.maybe(Self::uid),
            class: self.pick(&ReadClass::ALL),
            bytes: self.below(1 << 40),
            size: self.maybe(|some| some.below(1 << 40)),
            parts: self.list(Self::boxed),
            emailid: self.maybe(Self::boxed),
            hdr: self.maybe(Self::hdr),
        }
    }

    fn ip(&mut self) -> IpAddr {
        match self.below(3) {
            0 => [self.u32() as u8, 0, 113, 77].into(),
            1 => [0u16, 0, 0, 0, 0, 0xffff, self.u32() as u16, 77].into(),
            _ => [0x2001, 0xdb8, 0, 0, 0, 0, self.u32() as u16, 1].into(),
        }
    }

    fn tls(&mut self) -> TlsFacts {
        TlsFacts {
            version: self.pick(&["TLSv1.2", "TLSv1.3"]),
            cipher: self.text(),
            sni: self.maybe(Self::boxed),
            client_cert_sha256: self.maybe(|some| format!("{:064x}", some.u64()).into()),
        }
    }

    fn event(&mut self, kind: EventKind) -> Event {
        let mut event = Event::new(Arc::new(self.context()), kind);
        let refused = event.kind.spelled(Some(Stage::Refused)) != event.kind.spelled(None) && self.bool();
        event.stage =
            if refused { Some(Stage::Refused) } else { self.maybe(|some| some.pick(&[Stage::Intent, Stage::Done])) };
        event.cmd = self.maybe(Self::u32);
        event.verb = self.maybe(|some| some.pick(Verb::ALL));
        event.more = self.below(10) == 0;
        event.mailbox = self.maybe(|some| {
            Arc::new(MailboxRef { name: some.text(), uidv: some.maybe(Self::u32), id: some.maybe(Self::arc) })
        });
        event.policy = self.maybe(|some| PolicyOutcome {
            rev: format!("{:08x}", some.u32()).into(),
            verdict: some.pick(VerdictKind::ALL),
            by: some.list(Self::arc),
            shadow: some.list(Self::arc),
        });
        event.result =
            self.maybe(|some| CommandResult { status: some.pick(ResultStatus::ALL), code: some.maybe(Self::arc) });
        event.lat_us = self.maybe(Self::u64);
        event
    }

    fn context(&mut self) -> EventContext {
        EventContext {
            sid: Some(ids::session_id()),
            user: self.maybe(Self::arc),
            actor: self.maybe(Self::arc),
            credential: self.maybe(Self::arc),
            client_ip: self.maybe(Self::ip),
            listener: self.maybe(Self::arc),
            upstream: self.maybe(Self::arc),
        }
    }

    /// One of each kind.
    fn kinds(&mut self) -> Vec<EventKind> {
        let mut kinds = self.kinds_of_the_proxy();
        kinds.extend(self.kinds_of_sessions());
        kinds.extend(self.kinds_of_messages());
        let found: BTreeSet<_> = kinds.iter().map(number).collect();
        assert!(found.iter().copied().eq(0..KINDS), "of each kind there is one: {found:?}");
        kinds
    }

    fn kinds_of_the_proxy(&mut self) -> Vec<EventKind> {
        use EventKind as K;
        vec![
            K::ProxyStart { version: self.text(), config_sha256: format!("{:064x}", self.u64()).into() },
            K::ProxyStop { reason: self.pick(StopReason::ALL) },
            K::ProxyDrain { open: self.u64(), window_s: self.u64() },
            K::UpstreamState {
                upstream: self.text(),
                server: self.maybe(Self::arc),
                up: self.bool(),
                reason: self.maybe(|some| some.pick(UpstreamError::ALL)),
            },
            K::LimitHit {
                limit: if self.bool() { LimitName::Rule(self.text()) } else { LimitName::Key("max_line") },
                kind: self.pick(LimitKind::ALL),
                per: self.pick(LimitPer::ALL),
                used: self.u64(),
                max: self.u64(),
                window_s: self.maybe(Self::u64),
                action: self.pick(LimitAction::ALL),
            },
            K::PolicyLoad {
                rev: "9b1d02c4".into(),
                old_rev: self.maybe(|_| "00000000".into()),
                by: self.pick(LoadedBy::ALL),
                rules: self.u64(),
                added: self.list(Self::arc),
                removed: self.list(Self::arc),
                changed: self.list(Self::arc),
            },
            K::PolicyLoadFailed { by: self.pick(LoadedBy::ALL), problems: self.list(Self::boxed) },
            K::FilterFailure { response: self.pick(FilteredResponse::ALL), action: self.pick(FilterAction::ALL) },
            K::LockChange {
                op: self.pick(LockOp::ALL),
                lock: "4c2q8m0v7x".into(),
                subject: self.text(),
                until: "2027-01-31T18:00:00Z".into(),
                by: self.text(),
                why: self.text(),
            },
            K::AdminAction {
                who: self.text(),
                role: self.maybe(Self::arc),
                method: self.text(),
                route: self.text(),
                target: self.maybe(Self::boxed),
                status: self.maybe(|some| some.u32() as u16),
                refused: self.bool(),
            },
            K::AuditOpen {
                reason: self.pick(OpenReason::ALL),
                segment: self.u32(),
                version: self.text(),
                on_failure: self.pick(OnFailure::ALL),
                durability: self.pick(Durability::ALL),
                torn: self.maybe(Self::u64),
                others: Vec::from_iter(self.maybe(|some| OtherLog {
                    log: crate::audit::ids::log_id(),
                    seq: some.u64(),
                    hash: Hash::of(b"line").to_string().into(),
                })),
            },
            K::PolicyExpire {
                rule: self.text(),
                until: "2027-01-31T18:00:00Z".into(),
                exception: self.maybe(Self::arc),
            },
            K::AuditAccess {
                who: self.text(),
                via: self.pick(AccessVia::ALL),
                command: "query".into(),
                filter: self.text(),
                rows: self.maybe(Self::u64),
                case: self.maybe(Self::boxed),
            },
            K::AuditClose { reason: self.pick(CloseSegment::ALL), records: self.u64() },
            K::AuditPurge {
                segment: self.u32(),
                first: self.u64(),
                last: self.u64(),
                hash: Hash::of(b"line").to_string().into(),
            },
            K::AuditCheckpoint { size: self.u64(), hash: Hash::of(b"line").to_string().into(), key: "c74f20a3".into() },
            K::AuditKey {
                segment: self.u32().max(1),
                old: self.maybe(|_| "c74f20a3".into()),
                new: "c74f20a3".into(),
                public: format!("{}=", "A".repeat(43)).into(),
                sig: format!("{}==", "A".repeat(86)).into(),
            },
            K::AuditGap {
                first: self.u64(),
                last: self.u64(),
                n: self.u64(),
                by_type: vec![("message.read", self.u64()), ("session.close", 1)],
                reason: self.pick(GapReason::ALL),
            },
        ]
    }

    fn kinds_of_sessions(&mut self) -> Vec<EventKind> {
        use EventKind as K;
        let mut reads = ReadCounts::default();
        ReadClass::ALL.into_iter().for_each(|class| reads.add(class, self.below(3)));
        vec![
            K::SessionOpen { port: self.u32() as u16, via: self.maybe(Self::ip), tls: self.maybe(Self::tls) },
            K::SessionRefused { reason: self.pick(RefusedReason::ALL) },
            K::SessionClose {
                reason: self.pick(CloseReason::ALL),
                by: self.pick(ClosedBy::ALL),
                dur_ms: self.u64(),
                commands: self.u32(),
                bytes_in: self.u64(),
                bytes_out: self.u64(),
                reads,
            },
            K::SessionKill { by: self.pick(KilledBy::ALL), why: self.text() },
            K::ClientId {
                name: self.maybe(Self::boxed),
                version: self.maybe(Self::boxed),
                os: self.maybe(Self::boxed),
                vendor: self.maybe(Self::boxed),
            },
            K::AuthSuccess {
                mech: self.pick(Mechanism::ALL),
                groups: self.list(Self::arc),
                upstream: self.text(),
                ms: self.u64(),
            },
            K::AuthFailure { mech: self.pick(Mechanism::ALL), reason: self.pick(AuthFailureReason::ALL) },
            K::AuthRefused { mech: self.pick(Mechanism::ALL) },
            K::CommandRefused,
            K::ProtocolFault {
                side: self.pick(Side::ALL),
                reason: self.pick(FaultReason::ALL),
                at: self.maybe(Self::u64),
            },
            K::MailboxList {
                op: self.pick(ListOp::ALL),
                reference: self.text(),
                pattern: self.text(),
                n: self.u64(),
                hidden: self.u64(),
            },
            K::MailboxStatus { items: self.list(|some| some.pick(&["MESSAGES", "UIDNEXT"])) },
            K::MailboxOpen {
                rw: self.bool(),
                exists: self.maybe(Self::u32),
                hidden: self.maybe(Self::u32),
                hidden_uids: self.maybe(Self::uids),
            },
            K::MailboxHidden { uids: self.uids() },
            K::PolicyAlert { rules: self.list(Self::arc), to: self.maybe(Self::arc) },
            K::MailboxChange { op: self.pick(MailboxChange::ALL), to: self.maybe(Self::arc) },
            K::MailboxAcl { op: self.pick(AclOp::ALL), who: self.maybe(Self::boxed), rights: self.maybe(Self::boxed) },
        ]
    }

    fn kinds_of_messages(&mut self) -> Vec<EventKind> {
        use EventKind as K;
        vec![
            K::MessageRead { uids: self.maybe(Self::uids), want: self.pick(&ReadClass::ALL) },
            K::MessageReadDone { sets: self.list(Self::set), msgs: self.list(Self::message) },
            K::MessageSearch {
                keys: self.list(|some| some.pick(&["FROM", "BODY"])),
                terms: self.list(Self::boxed),
                content: self.bool(),
                hits: self.maybe(Self::u64),
                uids: self.maybe(Self::uids),
                hidden: self.maybe(Self::u64),
            },
            K::MessageFlag {
                op: self.pick(FlagOp::ALL),
                flags: self.list(Self::flag),
                dropped: self.list(Self::flag),
                uids: self.maybe(Self::uids),
                n: self.maybe(Self::u64),
            },
            K::MessageCopy {
                op: self.pick(CopyOp::ALL),
                dst: self.text(),
                dst_uidv: self.maybe(Self::u32),
                uids: self.maybe(Self::uids),
                dst_uids: self.maybe(Self::uids),
                n: self.maybe(Self::u64),
            },
            K::MessageAppend {
                size: self.u64(),
                flags: self.list(Self::flag),
                uid: self.maybe(Self::uid),
                uidv: self.maybe(Self::u32),
                replaces: self.maybe(Self::uid),
                sources: self.list(|some| AppendSource {
                    mailbox: some.boxed(),
                    uidv: some.maybe(Self::u32),
                    uid: some.maybe(Self::uid),
                    section: some.maybe(Self::boxed),
                }),
                hdr: self.maybe(Self::hdr),
            },
            K::MessageExpunge {
                how: self.pick(ExpungeHow::ALL),
                uids: self.maybe(Self::uids),
                n: self.maybe(Self::u64),
            },
        ]
    }
}

/// Kinds that there are.
const KINDS: u8 = 42;

/// A number for each kind. Without `_`: a new kind has to be made above.
fn number(kind: &EventKind) -> u8 {
    use EventKind as K;
    match kind {
        K::ProxyStart { .. } => 0,
        K::ProxyStop { .. } => 1,
        K::ProxyDrain { .. } => 2,
        K::UpstreamState { .. } => 3,
        K::SessionOpen { .. } => 4,
        K::SessionRefused { .. } => 5,
        K::SessionClose { .. } => 6,
        K::ClientId { .. } => 7,
        K::AuthSuccess { .. } => 8,
        K::AuthFailure { .. } => 9,
        K::AuthRefused { .. } => 10,
        K::MailboxList { .. } => 11,
        K::MailboxStatus { .. } => 12,
        K::MailboxOpen { .. } => 13,
        K::MailboxChange { .. } => 14,
        K::MailboxAcl { .. } => 15,
        K::MessageRead { .. } => 16,
        K::MessageReadDone { .. } => 17,
        K::MessageSearch { .. } => 18,
        K::MessageFlag { .. } => 19,
        K::MessageCopy { .. } => 20,
        K::MessageAppend { .. } => 21,
        K::MessageExpunge { .. } => 22,
        K::CommandRefused => 23,
        K::LimitHit { .. } => 24,
        K::PolicyLoad { .. } => 25,
        K::PolicyLoadFailed { .. } => 26,
        K::ProtocolFault { .. } => 27,
        K::FilterFailure { .. } => 28,
        K::AdminAction { .. } => 29,
        K::AuditOpen { .. } => 30,
        K::AuditClose { .. } => 31,
        K::AuditGap { .. } => 32,
        K::AuditPurge { .. } => 33,
        K::SessionKill { .. } => 34,
        K::LockChange { .. } => 35,
        K::MailboxHidden { .. } => 36,
        K::AuditCheckpoint { .. } => 37,
        K::AuditKey { .. } => 38,
        K::PolicyAlert { .. } => 39,
        K::PolicyExpire { .. } => 40,
        K::AuditAccess { .. } => 41,
    }
}
