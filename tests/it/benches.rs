//! What `benches/peers` reckons before it measures: in how many processes sessions fit.

#[path = "../../benches/peers/descriptors.rs"]
#[allow(dead_code, reason = "the bench needs all of it")]
mod descriptors;

use descriptors::{Descriptors, least, processes, share};
use proptest::prelude::*;

#[test]
fn sessions_are_in_as_few_processes_as_the_limit_allows() {
    let cases: &[(&str, u64, u64, Option<u64>)] = &[
        ("a limit that nobody reaches", 65_536, 20_000, Some(1)),
        ("just enough for one", 40_500, 20_000, Some(1)),
        (
            "one too few, and twice what is left is too tight for those that are dealt out unevenly",
            20_500,
            20_000,
            Some(3),
        ),
        ("one descriptor too few for one", 40_499, 20_000, Some(2)),
        ("many processes", 4_096, 20_000, Some(12)),
        ("no more than a server needs by itself", 500, 20_000, None),
        ("less than that", 64, 1, None),
    ];
    for (name, limit, sessions, expected) in cases {
        assert_eq!(processes(*limit, *sessions), *expected, "{name}");
    }
}

#[test]
fn too_low_a_limit_is_told_with_the_limit_that_would_do() {
    let cases: &[(&str, u64, u64, bool, Result<usize, u64>)] = &[
        ("one process is enough", 20_000, 9_750, false, Ok(1)),
        ("one process is not, and may not be divided", 1_000, 2_100, false, Err(4_700)),
        ("divided", 20_000, 20_000, true, Ok(3)),
        ("divided, but not into so many", 4_096, 20_000, true, Err(5_750)),
    ];
    for (name, limit, sessions, divisible, expected) in cases {
        let said = Descriptors { limit: *limit, was: *limit }.processes(*sessions, *divisible);
        match expected {
            Ok(count) => assert_eq!(said.as_ref(), Ok(count), "{name}"),
            Err(needed) => {
                let said = said.expect_err(name);
                assert!(said.contains(&format!("needs {needed} descriptors, the limit is {limit}")), "{name}: {said}");
                let mended = Descriptors { limit: *needed, was: *limit };
                assert!(mended.processes(*sessions, *divisible).is_ok(), "{name}: {needed} would not do");
            }
        }
    }
}

proptest! {
    #[test]
    fn the_least_limit_is_the_least(sessions in 1_u64..100_000, most in 1_u64..=8) {
        let limit = least(sessions, most);
        prop_assert!(processes(limit, sessions).is_some_and(|count| count <= most));
        prop_assert!(processes(limit - 1, sessions).is_none_or(|count| count > most));
    }

    #[test]
    fn what_is_dealt_out_is_all_there_is(count in 0_usize..100_000, processes in 1_usize..=8) {
        let shares = (0..processes).map(|number| share(count, processes, number)).collect::<Vec<_>>();
        prop_assert_eq!(shares.iter().sum::<usize>(), count);
        prop_assert!(shares.iter().max().zip(shares.iter().min()).is_some_and(|(most, least)| most - least <= 1));
    }
}
