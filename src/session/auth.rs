//! Logging in: who is it, may they, where to, and what the upstream says of the password.
//!
//! ```text
//!   LOGIN ─┐                      rules.login         Connect            LOGIN / AUTHENTICATE
//!   SASL ──┴─▶ name ─▶ Subject ─────────────▶ upstream ───────▶ Ready ─────────────────────▶ OK: Authenticated
//! ```
//!
//! The proxy reads the name and passes the secret on; what it holds of one is wiped as soon as it has gone up. What was
//! judged is what goes up: a message with two readings is refused ([`crate::wire::sasl`]).

use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::imap::status::Status;
use crate::imap::verb::Verb;
use crate::policy::LoginVerdict;
use crate::wire::command::{Args, Command, Utf8Mode};
use crate::wire::response;
use crate::wire::sasl::{self, Mechanism, Named};

use super::effect::Effect;
use super::event::{AuthFailureReason, FaultReason, Side, UpstreamError};
use super::in_flight::{Entry, Tag};
use super::refusal::{Answer, Bye};
use super::state::State;
use super::upstream::{Capabilities, LegPhase, UpstreamLeg, words};
use super::{ClientMode, ConnectFailure, ListenerTls, Output, Session};

/// A login that is under way.
pub(super) struct Login {
    pub tag: Tag,
    pub cmd: u32,
    pub verb: Verb,
    /// Name of the mechanism for the record: "LOGIN" for the command, else SASL's.
    pub mechanism: &'static str,
    pub credentials: Credentials,
    pub since: Instant,
}

/// What goes up to prove who it is.
pub(super) enum Credentials {
    /// The arguments of the client's own LOGIN, literals and all, up to its last CRLF.
    Arguments(Zeroizing<Vec<u8>>),
    /// A name and a password, to be sent as PLAIN or as LOGIN.
    Password {
        user: Zeroizing<Vec<u8>>,
        password: Zeroizing<Vec<u8>>,
        /// The whole message of PLAIN, where an authorization identity must go along.
        plain: Zeroizing<Vec<u8>>,
        delegated: bool,
    },
    /// The first message of another mechanism.
    Message { mechanism: Mechanism, message: Zeroizing<Vec<u8>> },
    /// Gone up.
    Spent,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// Where an exchange with the client stands.
#[derive(Debug)]
pub(super) enum SaslStep {
    /// The first message of this mechanism is to come.
    Initial(Mechanism),
    /// LOGIN has been asked for the name.
    User,
    /// LOGIN has been asked for the password of this name.
    Password(Zeroizing<Vec<u8>>),
    /// What the client says goes to the upstream as it is.
    Relay,
}

/// Longest line of an exchange: OAuth tokens are long.
const MAX_SASL_LINE: usize = 16 * 1024;

impl Session {
    /// Is it safe to take a password here?
    pub(super) fn login_allowed_here(&self) -> bool {
        self.client_tls.is_some() || self.start.allow_plaintext_login
    }

    /// The capabilities before login, for the greeting and for CAPABILITY.
    pub(super) fn capabilities_before_login(&self) -> String {
        let mut list = String::from("IMAP4rev1 LITERAL+ SASL-IR ID");
        if self.start.tls == ListenerTls::Starttls && self.client_tls.is_none() {
            list.push_str(" STARTTLS");
        }
        if !self.login_allowed_here() {
            list.push_str(" LOGINDISABLED");
            return list;
        }
        for mechanism in self.shared.mechanisms() {
            list.push_str(" AUTH=");
            list.push_str(mechanism.name());
        }
        list
    }

    pub(super) fn on_login(&mut self, command: &Command<'_>, frame: &[u8], now: Instant) {
        let Args::Login(login) = &command.args else { return };
        let tag = Tag::from_slice(command.tag.text.as_bytes());
        if !self.login_allowed_here() {
            return self.answer(&tag, &Answer::PrivacyRequired);
        }
        let Ok(name) = sasl::identity(&login.user.octets) else {
            return self.fail_login(&tag, "LOGIN", AuthFailureReason::Protocol, now);
        };
        let arguments = frame.get(command.verb_span.end.saturating_add(1)..).unwrap_or_default();
        let login = Login {
            tag,
            cmd: self.commands,
            verb: Verb::Login,
            mechanism: "LOGIN",
            credentials: Credentials::Arguments(Zeroizing::new(arguments.to_vec())),
            since: now,
        };
        self.begin_login(login, Named { user: name.clone(), actor: name }, now);
    }

    pub(super) fn on_authenticate(&mut self, command: &Command<'_>, now: Instant) {
        let Args::Authenticate(authenticate) = &command.args else { return };
        let tag = Tag::from_slice(command.tag.text.as_bytes());
        if !self.login_allowed_here() {
            return self.answer(&tag, &Answer::PrivacyRequired);
        }
        let offered = Mechanism::from_name(authenticate.mechanism.text.as_bytes())
            .filter(|mechanism| self.shared.mechanisms().any(|offered| offered == *mechanism));
        let Some(mechanism) = offered else {
            return self.answer(&tag, &Answer::Refused { text: "[CANNOT] authentication mechanism not supported" });
        };
        self.sasl_tag = tag;
        match &authenticate.initial_response {
            Some(response) => self.on_first_message(mechanism, response.base64.as_bytes(), now),
            None if mechanism == Mechanism::Login => self.ask_sasl(SaslStep::User, b"Username:"),
            None => self.ask_sasl(SaslStep::Initial(mechanism), b""),
        }
    }

    fn ask_sasl(&mut self, step: SaslStep, challenge: &[u8]) {
        let line = sasl::encode(challenge);
        let out = self.out.client();
        out.extend_from_slice(b"+ ");
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.mode = ClientMode::Sasl(step);
    }

    /// A line of the client's in an exchange. It is never a command, whatever it looks like (surface F.4).
    pub(super) fn on_sasl_line(&mut self, step: SaslStep, line: &[u8], now: Instant) {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if line.len() > MAX_SASL_LINE {
            return self.fault(Side::Client, FaultReason::Sasl, Bye::Garbage, now);
        }
        self.mode = ClientMode::Command;
        match step {
            SaslStep::Relay => {
                self.out.upstream().extend_from_slice(text);
                self.out.upstream().extend_from_slice(b"\r\n");
            }
            _ if text == b"*" => self.abort_sasl(now),
            SaslStep::Initial(mechanism) => self.on_first_message(mechanism, text, now),
            SaslStep::User => match sasl::decode(text) {
                Ok(user) => self.ask_sasl(SaslStep::Password(Zeroizing::new(user)), b"Password:"),
                Err(_) => self.abort_sasl(now),
            },
            SaslStep::Password(user) => match sasl::decode(text).map(Zeroizing::new) {
                Ok(password) => self.on_password(&user, password, now),
                Err(_) => self.abort_sasl(now),
            },
        }
    }

    fn abort_sasl(&mut self, now: Instant) {
        let tag = std::mem::take(&mut self.sasl_tag);
        self.record_auth_failure("AUTHENTICATE", AuthFailureReason::Protocol, None, now);
        self.answer(&tag, &Answer::AuthenticationAborted);
        self.count_auth_failure(now);
    }

    fn on_first_message(&mut self, mechanism: Mechanism, line: &[u8], now: Instant) {
        let Ok(message) = sasl::decode(line).map(Zeroizing::new) else { return self.abort_sasl(now) };
        if mechanism == Mechanism::Login {
            return self.ask_sasl(SaslStep::Password(message), b"Password:");
        }
        let Ok(named) = sasl::named(mechanism, &message) else {
            let tag = std::mem::take(&mut self.sasl_tag);
            return self.fail_login(&tag, mechanism.name(), AuthFailureReason::Protocol, now);
        };
        let credentials = match sasl::plain(&message) {
            Ok(plain) if mechanism == Mechanism::Plain => Credentials::Password {
                user: Zeroizing::new(plain.named.actor.clone().into_bytes()),
                password: Zeroizing::new(plain.password.to_vec()),
                delegated: plain.delegated,
                plain: message,
            },
            _ => Credentials::Message { mechanism, message },
        };
        self.begin_sasl_login(mechanism, credentials, named, now);
    }

    fn on_password(&mut self, user: &[u8], password: Zeroizing<Vec<u8>>, now: Instant) {
        let Ok(name) = sasl::identity(user) else {
            let tag = std::mem::take(&mut self.sasl_tag);
            return self.fail_login(&tag, "LOGIN", AuthFailureReason::Protocol, now);
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(user.len().saturating_add(password.len()).saturating_add(2)));
        plain.push(0);
        plain.extend_from_slice(user);
        plain.push(0);
        plain.extend_from_slice(&password);
        let user = Zeroizing::new(user.to_vec());
        let credentials = Credentials::Password { user, password, plain, delegated: false };
        let named = Named { user: name.clone(), actor: name };
        self.begin_sasl_login(Mechanism::Login, credentials, named, now);
    }

    fn begin_sasl_login(&mut self, mechanism: Mechanism, credentials: Credentials, named: Named, now: Instant) {
        let login = Login {
            tag: std::mem::take(&mut self.sasl_tag),
            cmd: self.commands,
            verb: Verb::Authenticate,
            mechanism: mechanism.name(),
            credentials,
            since: now,
        };
        self.begin_login(login, named, now);
    }

    /// The name is known: may they, and where to?
    fn begin_login(&mut self, login: Login, named: Named, now: Instant) {
        if self.audit_failing {
            return self.answer(&login.tag, &Answer::Unavailable);
        }
        let domain = self.shared.default_domain.clone();
        let complete = |name: &str| crate::policy::complete_login(name, domain.as_deref()).into_owned();
        let (user, actor) = (complete(&named.user), complete(&named.actor));
        let Some(info) = self.shared.upstream_for(&user).cloned() else {
            return self.fail_login(&login.tag, login.mechanism, AuthFailureReason::Credentials, now);
        };
        self.subject = self.subject_of(Arc::from(user), Arc::from(actor), Arc::clone(&info.name));
        self.name_context();
        if let Some(lock) = self.lock_holding(now) {
            self.record_auth_locked(&login, &lock, now);
            self.answer(&login.tag, &Answer::LoginDenied { text: "locked by an administrator".to_owned() });
            return self.count_auth_failure(now);
        }
        match self.shared.rules.login(&self.subject, self.shared.clock.at(now)) {
            LoginVerdict::Denied { text, by, shadow } => {
                self.record_auth_refused(&login, by, shadow, now);
                self.answer(&login.tag, &Answer::LoginDenied { text: one_line(&text) });
                self.count_auth_failure(now);
            }
            LoginVerdict::Allowed { shadow } => {
                self.login_shadow = shadow;
                self.leg = UpstreamLeg {
                    phase: LegPhase::Connecting,
                    info: Some(Arc::clone(&info)),
                    ..UpstreamLeg::default()
                };
                self.login = Some(Box::new(login));
                self.upstream_heard = now;
                self.out.push(Output::Connect { upstream: Arc::clone(&info.name) });
            }
        }
    }

    pub(super) fn on_upstream_connected(&mut self, tls: bool, now: Instant) {
        if self.leg.phase == LegPhase::Connecting {
            self.leg.phase = LegPhase::Greeting;
            self.leg.tls = tls;
            self.upstream_heard = now;
        }
    }

    pub(super) fn on_upstream_tls(&mut self, now: Instant) {
        if self.leg.phase == LegPhase::Handshake {
            self.leg.tls = true;
            self.leg.capabilities = Capabilities::default(); // what was said in clear is not believed
            self.upstream_heard = now;
            self.ask_capabilities_or_log_in(now);
        }
    }

    /// The upstream could not be reached, or went away before it took the login.
    pub(super) fn on_upstream_failed(&mut self, why: ConnectFailure, now: Instant) {
        self.leg.phase = LegPhase::Gone;
        self.note_upstream_error(match why {
            ConnectFailure::Refused => UpstreamError::Refused,
            ConnectFailure::Timeout => UpstreamError::Timeout,
            ConnectFailure::Tls => UpstreamError::Tls,
        });
        self.give_up_login(now);
    }

    /// Ends the login under way as unavailable.
    pub(super) fn give_up_login(&mut self, now: Instant) {
        if let Some(login) = self.login.take() {
            self.drop_upstream();
            self.record_auth_failure(login.mechanism, AuthFailureReason::Unavailable, Some(&login), now);
            self.mode = ClientMode::Command;
            self.answer(&login.tag, &Answer::Unavailable);
        }
    }

    /// The first line of the upstream's.
    pub(super) fn on_greeting(&mut self, status: Status, text: &[u8], more: bool, now: Instant) {
        if let Some(code) = response::code(text).filter(|code| code.is("CAPABILITY")) {
            self.learn_capabilities(code.args);
        }
        if status != Status::Ok {
            // PREAUTH would be somebody else's session (surface F.2); BYE is a refusal.
            self.note_upstream_error(if status == Status::Bye { UpstreamError::Bye } else { UpstreamError::Syntax });
            return self.give_up_login(now);
        }
        let starttls = self.leg.info.as_ref().is_some_and(|info| info.starttls);
        if starttls && !self.leg.tls {
            if more {
                return self.injected(now);
            }
            let serial = self.send_own(b"STARTTLS");
            self.leg.phase = LegPhase::Starttls(serial);
        } else {
            self.ask_capabilities_or_log_in(now);
        }
    }

    /// The answer to our STARTTLS; `more`: do bytes stand behind it already?
    pub(super) fn on_starttls_answer(&mut self, status: Option<Status>, more: bool, now: Instant) {
        if status != Some(Status::Ok) {
            self.note_upstream_error(UpstreamError::Tls);
            return self.give_up_login(now);
        }
        if more {
            return self.injected(now);
        }
        self.leg.phase = LegPhase::Handshake;
        self.out.push(Output::StartUpstreamTls);
    }

    fn injected(&mut self, now: Instant) {
        self.record_fault(Side::Upstream, FaultReason::OutOfPlace);
        self.note_upstream_error(UpstreamError::Tls);
        self.give_up_login(now);
    }

    /// LOGIN needs no list of capabilities; SASL does, to know how the first message may go up.
    fn ask_capabilities_or_log_in(&mut self, now: Instant) {
        let plain_login =
            self.login.as_ref().is_some_and(|login| matches!(login.credentials, Credentials::Arguments(_)));
        if plain_login || self.leg.capabilities.known {
            return self.introduce_or_log_in(now);
        }
        let serial = self.send_own(b"CAPABILITY");
        self.leg.phase = LegPhase::Asking(serial);
    }

    /// Says who the client is where the upstream is to know, and waits: from the login on it goes by that.
    pub(super) fn introduce_or_log_in(&mut self, now: Instant) {
        let tells = self.leg.info.as_ref().is_some_and(|info| info.tells_client);
        let knows_id = self.leg.capabilities.id || !self.leg.capabilities.known;
        if !tells || !knows_id {
            return self.send_login(now);
        }
        let line = self.introduction();
        let serial = self.send_own(line.as_bytes());
        self.leg.phase = LegPhase::Introducing(serial);
    }

    /// Fields as Dovecot's proxy sends them, and Dovecot takes them from those whom it trusts (`login_trusted_networks`).
    /// Nothing that the client says: its own ID never goes up.
    fn introduction(&self) -> String {
        let start = &self.start;
        let mut line = format!(
            "ID (\"name\" \"imapwarden\" \"x-originating-ip\" \"{}\" \"x-originating-port\" \"{}\"",
            start.client_ip, start.client_port
        );
        if let Some(reached) = start.connected_to {
            line.push_str(&format!(
                " \"x-connected-ip\" \"{}\" \"x-connected-port\" \"{}\"",
                reached.ip(),
                reached.port()
            ));
        }
        line.push_str(&format!(" \"x-session-id\" \"{}\")", start.sid));
        line
    }

    pub(super) fn learn_capabilities(&mut self, list: &[u8]) {
        self.leg.capabilities = Capabilities::read(words(list));
        if self.state.is_before_login()
            && let Some(info) = &self.leg.info
        {
            info.learn(words(list));
        }
    }

    /// The upstream is ready: the credentials go up.
    pub(super) fn send_login(&mut self, now: Instant) {
        let Some(login) = &mut self.login else { return };
        self.leg.phase = LegPhase::Ready;
        let credentials = std::mem::replace(&mut login.credentials, Credentials::Spent);
        let entry = Entry {
            serial: self.in_flight.next_serial(),
            tag: Tag::new(),
            cmd: login.cmd,
            verb: login.verb,
            kind: login.verb.kind(),
            since: login.since,
            sent: now,
            effect: Effect::LoggingIn,
            mailbox: None,
            judged: None,
            audit: crate::policy::AuditLevel::default(),
            overhead: std::time::Duration::ZERO,
            parts: super::messages::Parts::default(),
            answered: None,
        };
        let serial = entry.serial;
        self.in_flight.push(entry);
        match credentials {
            Credentials::Arguments(arguments) => {
                let mut line = Zeroizing::new(b"LOGIN ".to_vec());
                line.extend_from_slice(&arguments);
                self.send_with_literals(serial, &line);
            }
            Credentials::Password { user, password, plain, delegated } => {
                if self.leg.capabilities.auth_plain || delegated {
                    self.send_message(serial, Mechanism::Plain, &plain);
                } else {
                    let mut line = Zeroizing::new(b"LOGIN ".to_vec());
                    crate::wire::encode::astring(&mut line, &user, Utf8Mode::Off, false);
                    line.push(b' ');
                    crate::wire::encode::astring(&mut line, &password, Utf8Mode::Off, false);
                    line.extend_from_slice(b"\r\n");
                    self.send_with_literals(serial, &line);
                }
            }
            Credentials::Message { mechanism, message } => self.send_message(serial, mechanism, &message),
            Credentials::Spent => {}
        }
    }

    fn send_message(&mut self, serial: u32, mechanism: Mechanism, message: &[u8]) {
        self.leg.relaying = Some(mechanism);
        let encoded = Zeroizing::new(sasl::encode(message));
        self.write_own_tag(serial);
        let initial = self.leg.capabilities.sasl_ir;
        let out = self.out.upstream();
        out.extend_from_slice(b"AUTHENTICATE ");
        out.extend_from_slice(mechanism.name().as_bytes());
        if initial {
            out.push(b' ');
            out.extend_from_slice(if encoded.is_empty() { b"=" } else { encoded.as_bytes() });
            self.first_message = None;
        } else {
            self.first_message = Some(Zeroizing::new(encoded.as_bytes().to_vec()));
        }
        self.out.upstream().extend_from_slice(b"\r\n");
    }

    /// `+` of the upstream's while a login is under way.
    pub(super) fn on_login_continuation(&mut self, line: &[u8], now: Instant) {
        if let Some(first) = self.first_message.take() {
            let out = self.out.upstream();
            out.extend_from_slice(&first);
            out.extend_from_slice(b"\r\n");
            return;
        }
        match self.leg.relaying {
            Some(mechanism) if mechanism.is_relayed() => {
                self.out.client().extend_from_slice(line);
                self.mode = ClientMode::Sasl(SaslStep::Relay);
                if let Some(login) = &self.login {
                    self.sasl_tag = login.tag.clone();
                }
            }
            // The token was refused; the error is the upstream's affair and is acknowledged as the RFC asks (RFC 7628 §3.2.3).
            Some(Mechanism::Oauthbearer) => self.out.upstream().extend_from_slice(b"AQ==\r\n"),
            Some(Mechanism::Xoauth2) => self.out.upstream().extend_from_slice(b"\r\n"),
            _ => {
                self.record_fault(Side::Upstream, FaultReason::UnexpectedContinuation);
                self.give_up_login(now);
            }
        }
    }

    /// The upstream's word on the login. `rest` begins at its status, `line` is the whole line.
    pub(super) fn on_login_answer(&mut self, status: Option<Status>, rest: &[u8], now: Instant) {
        let Some(login) = self.login.take() else { return };
        self.mode = ClientMode::Command;
        self.leg.relaying = None;
        self.first_message = None;
        let text = response::tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        let code = response::code(text);
        if status == Some(Status::Ok) {
            return self.logged_in(&login, rest, now);
        }
        let reason = match code {
            Some(code) if code.is("UNAVAILABLE") => AuthFailureReason::Unavailable,
            Some(code) if code.is("EXPIRED") => AuthFailureReason::Expired,
            _ => AuthFailureReason::Credentials,
        };
        self.drop_upstream();
        self.record_auth_failure(login.mechanism, reason, Some(&login), now);
        if self.filtered() || status.is_none() {
            let answer = match reason {
                AuthFailureReason::Unavailable => Answer::Unavailable,
                _ => Answer::AuthenticationFailed,
            };
            self.answer(&login.tag, &answer);
        } else {
            let out = self.out.client();
            out.extend_from_slice(&login.tag);
            out.push(b' ');
            out.extend_from_slice(rest);
        }
        self.count_auth_failure(now);
    }

    /// One more login of this connection failed: guessing ends it.
    fn count_auth_failure(&mut self, now: Instant) {
        self.auth_failures = self.auth_failures.saturating_add(1);
        if self.auth_failures >= super::MAX_AUTH_FAILURES {
            self.end(super::CloseReason::AuthFailures, Some(Bye::Garbage), now);
        }
    }

    fn logged_in(&mut self, login: &Login, rest: &[u8], now: Instant) {
        self.bind_rules(now);
        if let Some(answer) = self.take_seats(login, now) {
            self.rules_change = None;
            self.drop_upstream();
            return self.answer(&login.tag, &answer);
        }
        self.state = State::Authenticated;
        self.record_auth_success(login, now);
        let text = response::tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        let code = response::code(text).filter(|code| code.is("CAPABILITY"));
        self.leg.capabilities = Capabilities::default();
        if let Some(code) = code {
            self.learn_capabilities(code.args);
        }
        match (self.filtered(), code) {
            (true, Some(code)) => {
                let list = self.offered_capabilities(code.args);
                self.answer(&login.tag, &Answer::Capabilities(list));
            }
            (true, None) => self.answer(&login.tag, &Answer::Completed(login.verb)),
            (false, _) => {
                let line = self.filter_capability_code(rest);
                let out = self.out.client();
                out.extend_from_slice(&login.tag);
                out.push(b' ');
                out.extend_from_slice(&line);
            }
        }
        // The rules may have changed since the password went up.
        if self.judge_again(now) {
            self.names_after_login(now);
        }
    }

    fn fail_login(&mut self, tag: &[u8], mechanism: &'static str, reason: AuthFailureReason, now: Instant) {
        self.record_auth_failure(mechanism, reason, None, now);
        self.answer(tag, &Answer::AuthenticationFailed);
        self.count_auth_failure(now);
    }

    /// STARTTLS of the client's: nothing may stand behind it (RFC 9051 §6.2.1, surface F.1).
    pub(super) fn on_starttls(&mut self, tag: &[u8], more: bool, now: Instant) {
        if self.start.tls != ListenerTls::Starttls || self.client_tls.is_some() {
            return self.answer(tag, &Answer::UnknownCommand);
        }
        if more {
            return self.fault(Side::Client, FaultReason::BytesBehindStarttls, Bye::Garbage, now);
        }
        self.answer(tag, &Answer::Completed(Verb::StartTls));
        self.mode = ClientMode::Handshake;
        self.out.push(Output::StartClientTls);
    }
}

/// A rule's text as part of one line of 7-bit text.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' }).take(200).collect()
}
