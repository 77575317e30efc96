//! The pair test: does a client hear of what is hidden, or touch it?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::generator::{Plan, session};
use super::ground::Ground;
use super::hunt::{hunt, one_seed};
use super::names::Pool;
use super::play::play;
use super::script::{LoginForm, Step};
use super::told::{sent_up, side_by_side, told};
use super::world::{Twin, WORLDS, World};
use crate::real::dovecot::Names;

/// The grounds on which twins live.
struct Grounds {
    slash: Ground,
    dot: Ground,
}

/// How a session went.
struct Played {
    transcript: Vec<String>,
    up: String,
    /// Hidden files that are not as they were.
    touched: Vec<PathBuf>,
    silent: bool,
}

impl Grounds {
    fn new(ground: fn(Names, &str) -> Ground) -> Self {
        let rules: String = WORLDS.iter().map(World::rules).collect();
        let grounds = Self { slash: ground(Names::Slash, &rules), dot: ground(Names::InboxDot, &rules) };
        // What an upstream offers is known from the first login on.
        let login = [Step::Login { who: 0, form: LoginForm::Atom, right: true }];
        for world in WORLDS {
            grounds.play(world, Twin::A, &login);
        }
        grounds
    }

    fn play(&self, world: &World, twin: Twin, steps: &[Step]) -> Played {
        let ground = if world.names == Names::Slash { &self.slash } else { &self.dot };
        let user = world.user(twin, ground.number());
        let home = ground.home(&user, |maildir| world.lay_out(maildir, twin));
        let mut before = world.hidden_state(&home.maildir);
        let mut touched = Vec::new();
        let up = Rc::new(RefCell::new(Vec::new()));
        let mut nth = 0;
        let mut meanwhile = |what| {
            touched.extend(changed(&before, &world.hidden_state(&home.maildir)));
            world.meanwhile(&home.maildir, twin, what, nth);
            nth += 1;
            before = world.hidden_state(&home.maildir);
        };
        let transcript = play(steps, &user, &mut || ground.open(&up), &mut meanwhile);
        touched.extend(changed(&before, &world.hidden_state(&home.maildir)));
        let up = sent_up(&up.borrow(), &user);
        Played { transcript: told(&transcript), up, touched, silent: transcript.silent }
    }

    /// Why the twins are told apart, if they are, and what else must not be.
    fn wrong(&self, seed: u64, steps: &[Step]) -> Option<String> {
        let world = world(seed);
        let [a, b] = [Twin::A, Twin::B].map(|twin| self.play(world, twin, steps));
        let both = || format!("world {}\n{}", world.tag, side_by_side(steps, &a.transcript, &b.transcript));
        let touched: Vec<_> = a.touched.iter().chain(&b.touched).collect();
        if a.transcript != b.transcript {
            Some(format!("the twins hear different things; {}", both()))
        } else if !touched.is_empty() {
            Some(format!("hidden mail is not as it was: {touched:?}; {}", both()))
        } else if a.up != b.up && world.secrets.is_empty() {
            // Where messages are hidden, UIDs go up in more pieces.
            Some(format!("the upstream hears different things\nA\n{}\nB\n{}\n{}", a.up, b.up, both()))
        } else {
            a.silent.then(|| format!("an answer never came; {}", both()))
        }
    }

    fn hunt(&self, count: u64, two: bool) {
        let plan = |seed| {
            session(
                seed,
                &Pool::twins(world(seed)),
                Plan { meanwhile: true, others: !world(seed).secrets.is_empty(), two },
            )
        };
        let Some(seed) = one_seed() else { return hunt(count, plan, |seed, steps| self.wrong(seed, steps)) };
        let steps = plan(seed);
        let [a, b] = [Twin::A, Twin::B].map(|twin| self.play(world(seed), twin, &steps));
        eprintln!("{}\nup\n{}", side_by_side(&steps, &a.transcript, &b.transcript), b.up);
        assert_eq!(self.wrong(seed, &steps), None);
    }
}

fn world(seed: u64) -> &'static World {
    &WORLDS[usize::try_from(seed).expect("a small seed") % WORLDS.len()]
}

fn changed(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let all = before.keys().chain(after.keys());
    let mut paths: Vec<PathBuf> = all.filter(|path| before.get(*path) != after.get(*path)).cloned().collect();
    paths.dedup();
    paths
}

#[test]
fn twins_that_differ_only_in_what_is_hidden_hear_the_same_from_a_session() {
    Grounds::new(Ground::direct).hunt(2_000, true);
}

#[test]
fn twins_that_differ_only_in_what_is_hidden_hear_the_same_from_the_program() {
    // Absent names are asked for anew only so often in a while: with two connections time would matter.
    Grounds::new(Ground::program).hunt(500, false);
}
