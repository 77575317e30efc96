//! What the client has sent and nobody has read yet.
//!
//! ```text
//!   a1 NOOP␍␊a2 NOOP␍␊a3 NO…
//!   ~~~~~~~~~ read    what is left stands where it is until more comes, however many commands came at once
//! ```

use std::ops::Deref;

/// Room beyond this is given back once all is read.
const KEEP: usize = 4096;

/// Octets of the client's.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    octets: Vec<u8>,
    /// How many of them are read.
    read: usize,
}

impl Inbox {
    /// More has come.
    pub fn extend(&mut self, octets: &[u8]) {
        if self.read > 0 {
            self.octets.drain(..self.read);
            self.read = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// So many octets are read.
    pub fn skip(&mut self, octets: usize) {
        self.read = self.read.saturating_add(octets);
        if self.read >= self.octets.len() {
            self.clear();
        }
    }

    /// Nothing of it counts any more.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.read = 0;
    }

    /// Gives much room back where it holds nothing; `all`: any.
    pub fn relax(&mut self, all: bool) {
        if self.is_empty() && (all || self.octets.capacity() > KEEP) {
            *self = Self::default();
        }
    }
}

impl Deref for Inbox {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(self.read..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// It holds what a plain buffer would.
        #[test]
        fn is_a_buffer(steps in proptest::collection::vec((proptest::collection::vec(proptest::prelude::any::<u8>(), 0..6), 0usize..9), 0..12)) {
            let (mut inbox, mut plain) = (Inbox::default(), Vec::new());
            for (come, read) in steps {
                inbox.extend(&come);
                plain.extend_from_slice(&come);
                proptest::prop_assert_eq!(&*inbox, &*plain);
                inbox.skip(read);
                plain.drain(..read.min(plain.len()));
                proptest::prop_assert_eq!(&*inbox, &*plain);
                inbox.relax(read > 4);
            }
        }
    }
}
