use super::*;
use crate::imap::message::UidSet;
use proptest::prelude::*;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn set(uids: &[u32]) -> UidSet {
    uids.iter().copied().filter_map(Uid::new).collect()
}

/// What both sides know, as a plain list.
#[derive(Debug, Clone, Default)]
struct Naive(Vec<(u32, Standing)>);

impl Naive {
    fn number(&self, at: usize, counts: impl Fn(Standing) -> bool) -> Option<u32> {
        counts(self.0[at].1).then(|| self.0[..=at].iter().filter(|(_, standing)| counts(*standing)).count() as u32)
    }

    fn up(&self, number: u32) -> Option<usize> {
        (0..self.0.len()).find(|at| self.number(*at, Standing::is_up) == Some(number))
    }

    fn message(&self, at: usize) -> Message {
        let (number, standing) = self.0[at];
        Message { uid: uid(number), standing, number: self.number(at, Standing::is_down) }
    }

    fn lose(&mut self, at: usize) {
        if self.0[at].1.is_down() {
            self.0[at].1 = Standing::Gone;
        } else {
            self.0.remove(at);
        }
    }

    fn set(&self, wanted: impl Fn(Standing) -> bool) -> UidSet {
        self.0.iter().filter(|(_, standing)| wanted(*standing)).map(|(number, _)| uid(*number)).collect()
    }
}

#[derive(Debug, Clone)]
enum Event {
    Arrive { gap: u32, len: u32, hidden: bool },
    Expunge(u32),
    Lose(u32),
    Hide(u32),
    Show(Vec<u32>),
    TellExpunged,
    TellNew,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_u32..4, 1_u32..5, any::<bool>()).prop_map(|(gap, len, hidden)| Event::Arrive { gap, len, hidden }),
        3 => (0_u32..40).prop_map(Event::Expunge),
        1 => (0_u32..80).prop_map(Event::Lose),
        3 => (0_u32..80).prop_map(Event::Hide),
        1 => prop::collection::vec(0_u32..80, 0..20).prop_map(Event::Show),
        1 => Just(Event::TellExpunged),
        2 => Just(Event::TellNew),
    ]
}

fn apply(event: &Event, messages: &mut Messages, naive: &mut Naive) {
    match event {
        Event::Arrive { gap, len, hidden } => {
            let standing = if *hidden { Standing::Hidden } else { Standing::New };
            let first = naive.0.last().map_or(0, |(last, _)| *last) + gap;
            assert!(messages.push_run(uid(first), *len, standing));
            naive.0.extend((first..first + len).map(|number| (number, standing)));
        }
        Event::Expunge(number) => {
            let at = naive.up(*number);
            assert_eq!(messages.expunge(*number), at.map(|at| naive.message(at)));
            at.into_iter().for_each(|at| naive.lose(at));
        }
        Event::Lose(number) => {
            let at = naive.0.iter().position(|(uid, standing)| uid == number && standing.is_up());
            let lost = Uid::new(*number).and_then(|uid| messages.lose(uid));
            assert_eq!(lost, at.map(|at| naive.message(at)));
            at.into_iter().for_each(|at| naive.lose(at));
        }
        Event::Hide(number) => {
            if let Some(uid) = Uid::new(*number) {
                messages.hide(uid);
            }
            for (_, standing) in naive.0.iter_mut().filter(|(uid, _)| uid == number) {
                *standing = match *standing {
                    Standing::Visible => Standing::Leaving,
                    Standing::New => Standing::Hidden,
                    other => other,
                };
            }
        }
        Event::Show(numbers) => {
            messages.show(&numbers.iter().copied().filter_map(Uid::new).collect(), Standing::New);
            for (number, standing) in &mut naive.0 {
                if *standing == Standing::Hidden && numbers.contains(number) {
                    *standing = Standing::New;
                }
            }
        }
        Event::TellExpunged => {
            let owed = |standing| matches!(standing, Standing::Gone | Standing::Leaving);
            let mut told = Vec::new();
            for at in (0..naive.0.len()).rev().filter(|at| owed(naive.0[*at].1)) {
                told.extend(naive.number(at, Standing::is_down));
            }
            assert_eq!(messages.owes_expunge(), !told.is_empty());
            assert_eq!(messages.tell_expunged(), told);
            naive.0.retain(|(_, standing)| *standing != Standing::Gone);
            for (_, standing) in naive.0.iter_mut().filter(|(_, standing)| *standing == Standing::Leaving) {
                *standing = Standing::Hidden;
            }
        }
        Event::TellNew => {
            let new = naive.0.iter().any(|(_, standing)| *standing == Standing::New);
            assert_eq!(messages.tell_new(), new);
            for (_, standing) in naive.0.iter_mut().filter(|(_, standing)| *standing == Standing::New) {
                *standing = Standing::Visible;
            }
        }
    }
}

fn agree(messages: &Messages, naive: &Naive) {
    let count = |counts: fn(Standing) -> bool| naive.0.iter().filter(|(_, standing)| counts(*standing)).count() as u32;
    assert_eq!(messages.upstream_count(), count(Standing::is_up));
    assert_eq!(messages.client_count(), count(Standing::is_down));
    for at in 0..naive.0.len() {
        let message = naive.message(at);
        assert_eq!(messages.by_uid(message.uid), Some(message));
        if let Some(number) = naive.number(at, Standing::is_up) {
            assert_eq!(messages.by_upstream(number), Some(message));
            let stretch = messages.visible_stretch(number);
            assert_eq!(stretch.is_some(), message.standing == Standing::Visible);
            for more in 1..=messages.following(number) {
                let next = messages.by_upstream(number + more).unwrap();
                assert_eq!((next.uid, next.standing), (uid(message.uid.get() + more), message.standing));
            }
            for offset in 0..stretch.map_or(0, |stretch| stretch.len) {
                let (stretch, next) = (stretch.unwrap(), messages.by_upstream(number + offset).unwrap());
                assert_eq!((next.uid, next.number), (uid(stretch.uid.get() + offset), Some(stretch.number + offset)));
                assert_eq!(next.standing, Standing::Visible);
            }
        }
        if let Some(number) = message.number {
            assert_eq!(messages.by_client(number), Some(message));
        }
    }
    assert_eq!(messages.by_upstream(messages.upstream_count() + 1), None);
    assert_eq!(messages.by_client(messages.client_count() + 1), None);
    assert_eq!(messages.by_upstream(0), None);
    assert_eq!(messages.last(), naive.0.last().map(|(number, _)| uid(*number)));
    let told = naive.0.iter().rev().find(|(_, standing)| standing.is_down());
    assert_eq!(messages.last_told(), told.map(|(number, _)| uid(*number)));
    assert_eq!(messages.visible(), naive.set(|standing| standing == Standing::Visible));
    assert_eq!(messages.shown(), naive.set(|standing| matches!(standing, Standing::Visible | Standing::New)));
    assert_eq!(messages.hidden(), naive.set(|standing| matches!(standing, Standing::Hidden | Standing::Leaving)));
}

fn sets_agree(messages: &Messages, naive: &Naive, numbers: &UidSet) {
    let visible = |message: Message| message.standing == Standing::Visible;
    let all = (0..naive.0.len()).map(|at| naive.message(at));
    let asked = all.clone().filter(|message| message.number.and_then(Uid::new).is_some_and(|n| numbers.contains(n)));
    let uids: UidSet = asked.filter(|message| visible(*message)).map(|message| message.uid).collect();
    assert_eq!(messages.uids_of(numbers), uids);
    let told: UidSet =
        all.clone().filter(|message| numbers.contains(message.uid)).filter_map(|m| Uid::new(m.number?)).collect();
    assert_eq!(messages.numbers_of(numbers), told);
    // Stretches hold what is wanted and nothing else that is there, and two of them never could be one.
    let stretches = messages.stretches(&uids);
    let there: Vec<Uid> = all.filter(|message| message.standing.is_up()).map(|message| message.uid).collect();
    let held: UidSet =
        there.iter().copied().filter(|uid| stretches.iter().any(|(a, b)| a <= uid && uid <= b)).collect();
    assert_eq!(held, uids);
    for pair in stretches.windows(2) {
        assert!(there.iter().any(|uid| pair[0].1 < *uid && *uid < pair[1].0), "{stretches:?} of {there:?}");
    }
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list(
        events in prop::collection::vec(event(), 0..120),
        numbers in prop::collection::btree_set(1_u32..60, 0..20),
    ) {
        let (mut messages, mut naive) = (Messages::default(), Naive::default());
        let numbers: UidSet = numbers.into_iter().filter_map(Uid::new).collect();
        for event in &events {
            apply(event, &mut messages, &mut naive);
            agree(&messages, &naive);
        }
        sets_agree(&messages, &naive, &numbers);
    }
}

#[test]
fn numbers_close_over_what_is_hidden() {
    let mut messages = Messages::default();
    for (number, standing) in [
        (11, Standing::Visible),
        (12, Standing::Hidden),
        (15, Standing::Visible),
        (16, Standing::Visible),
        (20, Standing::Visible),
    ] {
        assert!(messages.push(uid(number), standing));
    }
    assert!(!messages.push(uid(20), Standing::Visible));
    assert_eq!(messages.expunge(4).map(|message| message.number), Some(Some(3)));
    let rows = [(1, 11, Some(1)), (2, 12, None), (3, 15, Some(2)), (4, 20, Some(4))];
    for (upstream, want, client) in rows {
        let message = messages.by_upstream(upstream).unwrap();
        assert_eq!((message.uid, message.number), (uid(want), client), "{upstream}");
    }
    assert_eq!(messages.uids_of(&set(&[1, 2, 3, 4])).to_string(), "11,15,20");
    assert_eq!(messages.tell_expunged(), [3]);
    assert_eq!(messages.by_client(3).map(|message| message.uid), Some(uid(20)));
    // 12 is hidden; between 15 and 20 there is nothing any more.
    assert_eq!(messages.stretches(&messages.visible()), [(uid(11), uid(11)), (uid(15), uid(20))]);
}

#[test]
fn memory_goes_by_runs() {
    let mut messages = Messages::default();
    for number in 1..=100_000 {
        let standing = if number % 100 == 0 { Standing::Hidden } else { Standing::Visible };
        messages.push(uid(number), standing);
    }
    assert_eq!(messages.client_count(), 99_000);
    assert!(messages.memory() < 64 * 1024, "{}", messages.memory());
    // The same where messages are hidden one by one, anywhere.
    let mut messages = Messages::default();
    messages.push_run(uid(1), 100_000, Standing::Visible);
    for number in (1..=1_000).map(|at| at * 97 % 99_991 + 1) {
        messages.hide(uid(number));
    }
    assert_eq!(messages.tell_expunged().len(), 1_000);
    assert!(messages.memory() < 96 * 1024, "{}", messages.memory());
}
