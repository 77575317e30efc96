//! The proxy's own messages: `[log]`, on standard error.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// Messages as they are written now. The level can be changed.
#[derive(Debug, Clone)]
pub struct Logging {
    filter: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Begins to write messages; only once in a process.
    pub fn begin(log: Log) -> Result<Self, TryInitError> {
        let (filter, handle) = reload::Layer::new(filter(log.level));
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
        let lines: Box<dyn Layer<_> + Send + Sync> = match log.format {
            LogFormat::Text => Box::new(lines),
            LogFormat::Json => Box::new(lines.json()),
        };
        tracing_subscriber::registry().with(filter).with(lines).try_init()?;
        Ok(Self { filter: handle })
    }

    /// From now on at this level.
    pub fn set_level(&self, level: LogLevel) {
        // It can only fail where the subscriber is gone, and messages with it.
        let _ = self.filter.reload(filter(level));
    }
}

/// Ours at the level that was asked for; those of libraries only where something is wrong.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    Targets::new().with_default(LevelFilter::WARN.min(level.into())).with_target(env!("CARGO_PKG_NAME"), level)
}
