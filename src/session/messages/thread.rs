//! What THREAD answers (RFC 5256 §4), of which only what is visible is told.
//!
//! ```text
//!   (3 6 (4 23)(44 7 96))     3 ── 6 ─┬─ 4 ── 23
//!                                     └─ 44 ── 7 ── 96
//!   ((5)(8))                  a parent that is not there, with two children
//! ```
//!
//! The upstream is asked to thread what is visible, and nothing else ([`super::search`]). What it names besides is left out, and
//! what hung on it is threads of their own: nothing is tied by what is not there.

use std::io::Write as _;

use crate::imap::message::{Uid, UidSet};
use crate::wire::response::number;

/// Threads, as far as they were told.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// Each behind its parent.
    nodes: Vec<Node>,
    /// All that have been told, to know one that comes again.
    uids: UidSet,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// `None`: a parent that is not there, whose children belong together.
    uid: Option<Uid>,
    /// Which it hangs on.
    parent: Option<usize>,
}

/// A list that is being read.
#[derive(Debug, Clone, Copy)]
struct List {
    /// What comes next hangs on this.
    end: Option<usize>,
    /// Does it hold anything yet?
    begun: bool,
}

/// What of a thread is to be written.
#[derive(Debug, Clone, Copy)]
enum Task {
    List(usize),
    Close,
}

impl Threads {
    /// Reads what stands behind the word THREAD. What does not belong there is passed over.
    pub fn read(&mut self, text: &[u8]) {
        let mut open: Vec<List> = Vec::new();
        let mut rest = text;
        while let Some(octet) = rest.first() {
            if octet.is_ascii_digit() {
                let behind = rest.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(behind);
                rest = behind;
                if let Some(list) = open.last_mut() {
                    let uid = number(word).and_then(|number| Uid::new(u32::try_from(number).ok()?));
                    *list = List { end: uid.and_then(|uid| self.push(uid, list.end)), begun: true };
                }
                continue;
            }
            match octet {
                b'(' => {
                    let end = open.last_mut().and_then(|list| {
                        if !std::mem::replace(&mut list.begun, true) {
                            list.end = self.push_absent(list.end);
                        }
                        list.end
                    });
                    open.push(List { end, begun: false });
                }
                b')' => drop(open.pop()),
                _ => {}
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// One more message. `None`: it has been told before, and nothing hangs on it twice.
    fn push(&mut self, uid: Uid, parent: Option<usize>) -> Option<usize> {
        self.uids.insert(uid).then(|| self.nodes.push(Node { uid: Some(uid), parent }))?;
        self.nodes.len().checked_sub(1)
    }

    fn push_absent(&mut self, parent: Option<usize>) -> Option<usize> {
        self.nodes.push(Node { uid: None, parent });
        self.nodes.len().checked_sub(1)
    }

    /// All messages in them.
    pub fn uids(&self) -> &UidSet {
        &self.uids
    }

    /// Leaves these messages, and ties between them.
    pub fn keep(&mut self, visible: &UidSet) {
        self.uids = self.uids.intersect(visible);
        let uids = &self.uids;
        let gone = |node: &Node| node.uid.is_some_and(|uid| !uids.contains(uid));
        let loose: Vec<bool> = self.nodes.iter().map(gone).collect();
        for node in &mut self.nodes {
            node.parent = node.parent.filter(|parent| !loose.get(*parent).copied().unwrap_or(true));
        }
        // They keep their places, for others to find their parents, and are written by nobody.
        self.nodes.iter_mut().zip(loose).filter(|(_, loose)| *loose).for_each(|(node, _)| node.uid = None);
    }

    /// Writes them with the numbers that the client uses.
    pub fn write(&self, told: impl Fn(Uid) -> Option<u32>, out: &mut Vec<u8>) {
        let (roots, children) = self.children();
        let of = |at: usize| children.get(at).map(Vec::as_slice).unwrap_or_default();
        let mut tasks: Vec<Task> = roots.into_iter().rev().map(Task::List).collect();
        while let Some(task) = tasks.pop() {
            let Task::List(mut at) = task else {
                out.push(b')');
                continue;
            };
            out.push(b'(');
            let mut begun = false;
            loop {
                if let Some(number) = self.nodes.get(at).and_then(|node| told(node.uid?)) {
                    // Writing to a Vec cannot fail.
                    let _ = write!(out, "{}{number}", if begun { " " } else { "" });
                    begun = true;
                }
                match of(at) {
                    [only] => at = *only,
                    several => {
                        if begun && !several.is_empty() {
                            out.push(b' ');
                        }
                        tasks.push(Task::Close);
                        tasks.extend(several.iter().rev().copied().map(Task::List));
                        break;
                    }
                }
            }
        }
    }

    /// Which begin threads, and what hangs on which: no parent without a child but messages.
    fn children(&self) -> (Vec<usize>, Vec<Vec<usize>>) {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut roots = Vec::new();
        // A child stands behind its parent: seen from the end, all of its own have been found.
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let own = children.get_mut(at).map(|own| {
                own.reverse();
                own.len()
            });
            if node.uid.is_none() && own.is_none_or(|own| own == 0) {
                continue;
            }
            match node.parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(at),
                None => roots.push(at),
            }
        }
        roots.reverse();
        (roots, children)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str, visible: &UidSet) -> String {
        let mut threads = Threads::default();
        threads.read(text.as_bytes());
        threads.keep(visible);
        let mut out = Vec::new();
        threads.write(|uid| Some(uid.get()), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_left_of_threads() {
        let rows = [
            ("all", "(2)(3 6 (4 23)(44 7 96))", "1:99", "(2)(3 6 (4 23)(44 7 96))"),
            ("none", "", "1:99", ""),
            ("a parent that is not there", "((5)(8 9))(1)", "1:99", "((5)(8 9))(1)"),
            ("the first", "(3 6 (4 23)(44))", "4:99", "(6 (4 23)(44))"),
            ("one in between", "(3 6 (4 23)(44 7 96))", "3:6,8:99", "(3 6 (4 23)(44))(96)"),
            ("where it forks", "(3 6 (4 23)(44 7 96))", "3:5,7:99", "(3)(4 23)(44 7 96)"),
            ("one branch", "(3 6 (4 23)(44 7 96))", "3:6,23", "(3 6 4 23)"),
            ("one of two whose parent is not there", "((5)(8))", "5", "(5)"),
            ("both", "((5)(8))(9)", "9", "(9)"),
            ("absent within absent", "(((5)(8))(9))", "5,9", "((5)(9))"),
            ("absent behind one", "(3 ((5)(8)))", "1:9", "(3 (5)(8))"),
            ("told twice", "(3 6)(6 7)(3)", "1:9", "(3 6)(7)"),
            ("no numbers", "(3 x 0 4294967296 5)()(())", "1:9", "(3)(5)"),
            ("never closed", "((5)(8", "1:9", "((5)(8))"),
            ("never opened", "5) 8)(9)", "1:9", "(9)"),
        ];
        for (name, text, visible, want) in rows {
            let visible = crate::session::follow::uid_set(visible.as_bytes()).unwrap();
            assert_eq!(told(text, &visible), want, "{name}");
        }
    }

    #[test]
    fn deep_threads_need_no_stack() {
        let deep = format!("{}1{}", "(2 (3)".repeat(100_000), ")".repeat(100_000));
        assert_eq!(told(&deep, &UidSet::run(Uid::new(1).unwrap(), Uid::new(9).unwrap())), "(2 3)(1)");
        let chain: Vec<String> = (1..=100_000).map(|uid: u32| uid.to_string()).collect();
        let chain = format!("({})", chain.join(" "));
        assert_eq!(told(&chain, &UidSet::run(Uid::new(1).unwrap(), Uid::MAX)), chain);
    }

    /// A tree, told and thought of without any of the above: who hangs on whom, across parents that are not there.
    #[derive(Debug, Clone)]
    enum Tree {
        Message(Vec<Tree>),
        Absent(Vec<Tree>),
    }

    fn trees() -> impl Strategy<Value = Vec<Tree>> {
        let leaf = Just(Tree::Message(Vec::new()));
        let tree = leaf.prop_recursive(5, 24, 3, |inner| {
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 0..3).prop_map(Tree::Message),
                1 => prop::collection::vec(inner, 2..4).prop_map(Tree::Absent),
            ]
        });
        prop::collection::vec(tree, 0..5)
    }

    /// Spells it, numbered as it goes, and says each message's path of messages that are there.
    fn spell(tree: &Tree, next: &mut u32, out: &mut String) {
        let (children, begun) = match tree {
            Tree::Message(children) => {
                *next += 1;
                out.push_str(&next.to_string());
                (children, true)
            }
            Tree::Absent(children) => (children, false),
        };
        match children.as_slice() {
            [] => {}
            [Tree::Message(_)] if begun => {
                out.push(' ');
                spell(&children[0], next, out);
            }
            several => {
                if begun {
                    out.push(' ');
                }
                for child in several {
                    out.push('(');
                    spell(child, next, out);
                    out.push(')');
                }
            }
        }
    }

    /// Each message and the one that it hangs on; what hangs together without one.
    fn ties(tree: &Tree, parent: Option<u32>, next: &mut u32, ties: &mut Vec<(u32, Option<u32>)>) {
        match tree {
            Tree::Message(children) => {
                *next += 1;
                let own = *next;
                ties.push((own, parent));
                children.iter().for_each(|child| super::tests::ties(child, Some(own), next, ties));
            }
            Tree::Absent(children) => {
                children.iter().for_each(|child| super::tests::ties(child, parent, next, ties));
            }
        }
    }

    /// `thread-list = "(" (thread-members / thread-nested) ")"`, as RFC 5256 §5 has it; the ties that it states.
    fn grammar(text: &[u8], at: &mut usize, parent: Option<u32>, ties: &mut Vec<(u32, Option<u32>)>) {
        assert_eq!(text[*at], b'(');
        *at += 1;
        let (mut end, mut members) = (parent, 0);
        while text[*at].is_ascii_digit() {
            let digits = text[*at..].iter().take_while(|octet| octet.is_ascii_digit()).count();
            let own = std::str::from_utf8(&text[*at..*at + digits]).unwrap().parse().unwrap();
            ties.push((own, end));
            (end, members) = (Some(own), members + 1);
            *at += digits;
            if text[*at] == b' ' {
                *at += 1;
                assert!(text[*at] != b')');
            }
        }
        let mut nested = 0;
        while text[*at] == b'(' {
            grammar(text, at, end, ties);
            nested += 1;
        }
        assert!(members > 0 || nested > 0);
        assert_ne!(nested, 1, "a single list is not nested");
        assert_eq!(text[*at], b')');
        *at += 1;
    }

    proptest! {
        #[test]
        fn what_is_told_is_well_formed_and_ties_only_what_is_there(trees in trees(), mask in any::<u64>()) {
            let (mut text, mut next) = (String::new(), 0);
            for tree in &trees {
                text.push('(');
                spell(tree, &mut next, &mut text);
                text.push(')');
            }
            let visible: UidSet = (1..=next).filter(|n| mask >> (n % 64) & 1 == 1).filter_map(Uid::new).collect();
            let told = told(&text, &visible);
            let (mut found, mut at) = (Vec::new(), 0);
            while at < told.len() {
                grammar(told.as_bytes(), &mut at, None, &mut found);
            }
            let (mut wanted, mut next) = (Vec::new(), 0);
            trees.iter().for_each(|tree| ties(tree, None, &mut next, &mut wanted));
            let is_there = |number: u32| visible.contains(Uid::new(number).unwrap());
            wanted.retain(|(own, _)| is_there(*own));
            wanted.iter_mut().for_each(|(_, parent)| *parent = parent.filter(|parent| is_there(*parent)));
            found.sort_unstable();
            prop_assert_eq!(found, wanted, "{} from {}", told, text);
        }
    }
}
