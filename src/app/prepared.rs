//! Everything that a configuration names, read and ready to run; or every problem that stands in the way.
//!
//! ```text
//!   configuration ─▶ rule files ─▶ certificates ─▶ Prepared        nothing is bound, opened for writing or changed
//!         └──────────────┴──────────────┴────────▶ problems
//! ```

use std::path::Path;

use crate::config::{self, Config};
use crate::diagnostic::{Problem, Sources};

/// What starts a proxy, or takes the place of what runs.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration.
    pub config: Config,
}

/// What was found in the files.
#[derive(Debug)]
pub struct Found {
    /// Ready to run; exactly where none of the problems is an error.
    pub prepared: Option<Prepared>,
    /// All of them.
    pub problems: Vec<Problem>,
    /// The texts that they point into.
    pub sources: Sources,
    /// How many rules were read.
    pub rules: usize,
}

impl Prepared {
    /// Reads the configuration and all that it names. What is wrong in one file does not keep the others from being read.
    #[must_use]
    pub fn load(path: &Path) -> Found {
        let mut sources = Sources::default();
        let (config, problems) = config::read(path, &mut sources);
        let starts = !problems.iter().any(Problem::is_error);
        Found { prepared: config.filter(|_| starts).map(|config| Self { config }), problems, sources, rules: 0 }
    }
}
