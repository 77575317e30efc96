//! What a session wants done, in order, without an allocation per response: bytes for one side that follow each other
//! share a buffer, and buffers come back to be used again.

use std::collections::VecDeque;

use super::Output;
use super::event::Event;

/// Spare buffers larger than this are given back instead of kept.
const KEEP: usize = 192 * 1024;

/// Outputs that wait to be performed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    steps: VecDeque<Output>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// The buffer that the next bytes for the client go to.
    pub fn client(&mut self) -> &mut Vec<u8> {
        self.buffer(|step| matches!(step, Output::ToClient(_)), Output::ToClient)
    }

    /// The buffer that the next bytes for the upstream go to.
    pub fn upstream(&mut self) -> &mut Vec<u8> {
        self.buffer(|step| matches!(step, Output::ToUpstream(_)), Output::ToUpstream)
    }

    fn buffer(&mut self, is_same: impl Fn(&Output) -> bool, new: impl Fn(Vec<u8>) -> Output) -> &mut Vec<u8> {
        // Counts may stand between: nothing waits for them.
        let last = self.steps.iter().rposition(|step| !matches!(step, Output::Note(_)));
        let at = match last {
            Some(at) if self.steps.get(at).is_some_and(is_same) => at,
            _ => {
                self.steps.push_back(new(self.spare.pop().unwrap_or_default()));
                self.steps.len().saturating_sub(1)
            }
        };
        match self.steps.get_mut(at) {
            Some(Output::ToClient(buffer) | Output::ToUpstream(buffer)) => buffer,
            _ => unreachable!("it is one that has just been found or made"),
        }
    }

    /// A record that goes before all that is put out after it.
    pub fn record(&mut self, event: Event) {
        self.steps.push_back(Output::Record(Box::new(event)));
    }

    /// Any other output.
    pub fn push(&mut self, output: Output) {
        self.steps.push_back(output);
    }

    /// The next thing to do.
    pub fn pop(&mut self) -> Option<Output> {
        self.steps.pop_front()
    }

    /// Forgets all that has not been performed.
    pub fn clear(&mut self) {
        self.steps.clear();
    }

    /// Takes a written buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEEP && self.spare.len() < 2 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Is there no spare buffer?
    pub fn wants_buffer(&self) -> bool {
        self.spare.is_empty()
    }

    /// Gives all memory back: the session is idle.
    pub fn relax(&mut self) {
        if self.steps.is_empty() {
            self.steps = VecDeque::new();
            self.spare = Vec::new();
        }
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
