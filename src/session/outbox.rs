//! What a session wants done, in order, without an allocation per response: bytes for one side that follow each other
//! share a buffer, and buffers come back to be used again.

use std::collections::VecDeque;

use super::Output;
use super::event::Event;

/// Spare buffers larger than this are given back instead of kept.
const KEEP: usize = 192 * 1024;

/// The same of what a command's line took.
const KEEP_LINE: usize = 256;

/// Outputs that wait to be performed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    steps: VecDeque<Output>,
    /// Steps that are counts and stand behind all others: nothing waits for them.
    notes: usize,
    spare: Vec<Vec<u8>>,
    /// Room for the next command's line.
    line: Vec<u8>,
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
        let last = self.steps.len().saturating_sub(self.notes).checked_sub(1);
        let at = match last {
            Some(at) if self.steps.get(at).is_some_and(is_same) => at,
            _ => {
                let buffer = self.spare.pop().unwrap_or_default();
                self.push(new(buffer));
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
        self.push(Output::Record(Box::new(event)));
    }

    /// Any other output.
    pub fn push(&mut self, output: Output) {
        self.notes = if matches!(output, Output::Note(_)) { self.notes.saturating_add(1) } else { 0 };
        self.steps.push_back(output);
    }

    /// The next thing to do.
    pub fn pop(&mut self) -> Option<Output> {
        let next = self.steps.pop_front();
        self.notes = self.notes.min(self.steps.len());
        next
    }

    /// Forgets all that has not been performed.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.notes = 0;
    }

    /// Takes a written buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEEP && self.spare.len() < 2 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Room for a command's line.
    pub fn take_line(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// Takes it back.
    pub fn keep_line(&mut self, mut line: Vec<u8>) {
        if line.capacity() <= KEEP_LINE {
            line.clear();
            self.line = line;
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
            self.line = Vec::new();
        }
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::Note;

    proptest::proptest! {
        /// Octets for one side stand together as long as there is nothing but counts between, and everything keeps its order.
        #[test]
        fn outputs_in_order(steps in proptest::collection::vec(0u8..5, 0..40)) {
            let (mut outbox, mut expected, mut told) = (Outbox::default(), Vec::<String>::new(), Vec::new());
            for step in steps {
                let last = expected.iter_mut().rfind(|step| **step != "note");
                match step {
                    0 | 1 => {
                        let side = if step == 0 { "c" } else { "u" };
                        (if step == 0 { outbox.client() } else { outbox.upstream() }).push(b'x');
                        match last.filter(|last| last.starts_with(side)) {
                            Some(last) => last.push('x'),
                            None => expected.push(format!("{side}x")),
                        }
                    }
                    2 => {
                        outbox.push(Output::Note(Note::RefusedForAudit));
                        expected.push("note".into());
                    }
                    3 => {
                        outbox.push(Output::Close);
                        expected.push("end".into());
                    }
                    _ => {
                        told.extend(outbox.pop().map(|output| word(&output)));
                        proptest::prop_assert_eq!(told.last(), expected.first());
                        told.clear();
                        expected.drain(..1.min(expected.len()));
                    }
                }
            }
            told.extend(std::iter::from_fn(|| outbox.pop()).map(|output| word(&output)));
            proptest::prop_assert_eq!(told, expected);
        }
    }

    fn word(output: &Output) -> String {
        match output {
            Output::ToClient(bytes) => format!("c{}", "x".repeat(bytes.len())),
            Output::ToUpstream(bytes) => format!("u{}", "x".repeat(bytes.len())),
            Output::Note(_) => "note".into(),
            _ => "end".into(),
        }
    }
}
