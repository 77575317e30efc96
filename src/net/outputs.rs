//! What a session wants done, done in order.
//!
//! ```text
//!   octets, counts ─▶ queued, counted ──────────────────────────────────┐
//!   records ─▶ one batch ─▶ written? ─┬─ yes ─▶ what stands behind them ┴─▶ flushed by the next turn
//!                                     └─ no ─▶ taken back, and the session is told
//! ```

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::sleep;

use super::relay::{Connecting, Handshake, Relay, now};
use crate::audit::Entry;
use crate::session::event::{Event, EventKind, LimitAction, LimitKind, LimitName, LimitPer, Note, Stage};
use crate::session::{ConnectFailure, Output};

/// Announced commands whose numbers are remembered; a session has no more under way.
const INTENTS: usize = 128;

/// An event that announces what is about to happen.
#[derive(Debug, Clone, Copy)]
struct Announced {
    /// Of which command; of none, where an upstream tells what nobody asked for.
    cmd: Option<u32>,
    /// The session waits for word of it.
    waits: bool,
}

/// How much was queued on each side.
#[derive(Debug, Default)]
struct Marks {
    client: usize,
    upstream: usize,
}

/// What has to be waited for, or done, before the next output is looked at. In a place of its own: a session that waits for its
/// peers has no room for it.
#[derive(Debug, Default)]
struct Halt {
    batch: Vec<Entry>,
    marks: Marks,
    intent: Option<Announced>,
    delay: Duration,
    wish: Option<Output>,
}

impl Relay {
    /// Does all that the session wants done. Octets are queued, not written.
    pub(super) async fn perform(&mut self) {
        while let Some(halt) = self.perform_at_once() {
            if !Box::pin(self.resume(halt)).await {
                return;
            }
        }
    }

    /// Queues and counts, up to what has to be waited for.
    fn perform_at_once(&mut self) -> Option<Box<Halt>> {
        let mut halt: Option<Box<Halt>> = None;
        loop {
            match self.session.poll_output() {
                None => return halt,
                Some(Output::ToClient(octets)) => self.queue_to_client(octets),
                Some(Output::ToUpstream(octets)) => self.queue_to_upstream(octets),
                Some(Output::Note(note)) => self.observe(&note),
                Some(Output::Record(event)) => {
                    let halt = halt.get_or_insert_with(|| self.halt());
                    halt.delay = halt.delay.max(self.add_counted(event, &mut halt.batch));
                }
                Some(Output::Intent(event)) => {
                    let mut halt = halt.unwrap_or_else(|| self.halt());
                    halt.intent = Some(Announced { cmd: event.cmd, waits: true });
                    // The last of its batch: the number that the log gives back is this one's.
                    self.add(event, &mut halt.batch);
                    return Some(halt);
                }
                Some(Output::Announce(event)) => {
                    let mut halt = halt.unwrap_or_else(|| self.halt());
                    halt.intent = Some(Announced { cmd: event.cmd, waits: false });
                    self.add(event, &mut halt.batch);
                    return Some(halt);
                }
                Some(wish) => {
                    let mut halt = halt.unwrap_or_else(|| self.halt());
                    halt.wish = Some(wish);
                    return Some(halt);
                }
            }
        }
    }

    fn halt(&self) -> Box<Halt> {
        Box::new(Halt { marks: self.marks(), ..Halt::default() })
    }

    /// Waits until records are written, and grants a wish. Is there more to do?
    async fn resume(&mut self, halt: Box<Halt>) -> bool {
        let Halt { batch, marks, intent, delay, wish } = *halt;
        let go_on = intent.is_some() || wish.is_some();
        let to_record = !batch.is_empty() || intent.is_some();
        if to_record && !self.record(batch, &marks, intent).await {
            return true; // the session has thought again
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if let Some(wish) = wish {
            self.grant(wish);
        }
        go_on && !self.over
    }

    fn observe(&self, note: &Note) {
        self.entry.control.live.note(note);
        match (note, &self.upstream) {
            // With each command, so nobody has to look for its counters.
            (Note::UpstreamResponse { after }, Some(upstream)) => upstream.connector.metrics.responded(*after),
            _ => self.server.observe_note(self.session.context(), note),
        }
    }

    fn queue_to_client(&mut self, octets: Vec<u8>) {
        self.listener.metrics.sent(octets.len() as u64);
        self.entry.control.live.sent(octets.len());
        self.client.queue(octets);
    }

    fn queue_to_upstream(&mut self, octets: Vec<u8>) {
        // Where it is gone the session is about to hear of it.
        if let Some(upstream) = &mut self.upstream {
            upstream.connector.metrics.sent(octets.len() as u64);
            upstream.leg.queue(octets);
        }
    }

    fn marks(&self) -> Marks {
        Marks { client: self.client.mark(), upstream: self.upstream.as_ref().map_or(0, |upstream| upstream.leg.mark()) }
    }

    /// Puts an event into the batch, with the number of the record that announced it.
    fn add(&mut self, event: Box<Event>, batch: &mut Vec<Entry>) {
        if self.unrecorded {
            return;
        }
        self.entry.control.live.event(&event);
        self.server.observe_event(&event);
        let announced = self.intents.iter().position(|(cmd, _)| *cmd == event.cmd);
        let intent = match (event.stage, announced) {
            (Some(Stage::Done), Some(at)) if event.more => self.intents.get(at).map(|(_, seq)| *seq),
            (Some(Stage::Done), Some(at)) => Some(self.intents.swap_remove(at).1),
            _ => None,
        };
        batch.push(Entry { event, intent });
    }

    /// Has a batch written. `false`: it could not be, what was queued behind it is taken back, and the session knows.
    async fn record(&mut self, batch: Vec<Entry>, marks: &Marks, intent: Option<Announced>) -> bool {
        let waits = intent.is_some_and(|intent| intent.waits);
        let only_intent = waits && batch.len() == 1;
        if self.unrecorded {
            return true; // the batch is empty, and the session is ending
        }
        match self.server.log.submit(batch).await.written().await {
            Ok(seq) => {
                if let Some(Announced { cmd, .. }) = intent {
                    if self.intents.len() >= INTENTS {
                        self.intents.remove(0);
                    }
                    self.intents.push((cmd, seq));
                }
                if waits {
                    self.session.handle_recorded(true, now());
                }
                true
            }
            Err(_) if only_intent => {
                self.session.handle_recorded(false, now());
                true
            }
            Err(_) => {
                self.client.take_back(marks.client);
                if let Some(upstream) = &mut self.upstream {
                    upstream.leg.take_back(marks.upstream);
                }
                self.unrecorded = true;
                self.session.handle_record_failed(now());
                false
            }
        }
    }

    /// The same, and counts a failed login against the client's address. Says how long its answer is held back.
    fn add_counted(&mut self, event: Box<Event>, batch: &mut Vec<Entry>) -> Duration {
        let failed = match (&event.kind, event.ctx.client_ip) {
            (EventKind::AuthFailure { reason, .. }, Some(address)) => {
                self.server.failures.failed(address, *reason, now()).map(|failed| (Arc::clone(&event.ctx), failed))
            }
            _ => None,
        };
        self.add(event, batch);
        let Some((context, failed)) = failed else { return Duration::ZERO };
        if failed.crossed {
            let refused = failed.failures >= failed.rate.count;
            let kind = EventKind::LimitHit {
                limit: LimitName::Key("auth_failures"),
                kind: LimitKind::AuthFailures,
                per: LimitPer::ClientIp,
                used: failed.failures.into(),
                max: failed.rate.count.into(),
                window_s: Some(failed.rate.window.as_secs()),
                action: if refused { LimitAction::Refuse } else { LimitAction::Delay },
            };
            self.add(Box::new(Event::new(context, kind)), batch);
        }
        failed.delay
    }

    /// Everything but octets, records and counts.
    fn grant(&mut self, wish: Output) {
        match wish {
            Output::Connect { upstream } => self.connect(&upstream),
            Output::StartClientTls => self.client_tls = Handshake::Due,
            Output::StartUpstreamTls => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.tls = Handshake::Due;
                }
            }
            Output::CloseUpstream => {
                self.connecting = None;
                if let Some(mut upstream) = self.upstream.take() {
                    // What its socket does not take at once is not worth waiting for.
                    let _ = upstream.leg.poll_close(&mut Context::from_waker(Waker::noop()));
                }
            }
            Output::Close => self.over = true,
            Output::ToClient(_)
            | Output::ToUpstream(_)
            | Output::Record(_)
            | Output::Intent(_)
            | Output::Announce(_)
            | Output::Note(_) => {}
        }
    }

    fn connect(&mut self, name: &str) {
        let address = self.session.context().client_ip;
        if address.is_some_and(|address| self.server.failures.refuses(address, now())) {
            return self.session.handle_too_many_failures(now());
        }
        let Some(connector) = self.server.connector(name) else {
            return self.session.handle_upstream_failed(ConnectFailure::Refused, now());
        };
        self.upstream = None;
        let way = Arc::clone(&connector);
        let origin = self.origin;
        let connected = Box::pin(async move { way.connect(Some(&origin)).await });
        self.connecting = Some(Connecting { connector, connected });
    }
}
