//! Which metrics are there? One table: code, documents and tests derive from it.
//!
//! Names begin with `imapwarden_`, units are base units. Labels stand in the order in which series are made.

/// What a family is, and how its values are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// A level, a time, or a fact.
    Gauge,
    /// How many observations up to each edge, in seconds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word behind `# TYPE`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its whole name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means: one sentence without a full stop.
    pub help: &'static str,
}

/// Login, with a stop at 2 s (clients retry at 30 s).
const AUTH: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
/// Commands, and what waits for the upstream.
const COMMAND: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Sessions: from a look to a day.
const SESSION: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0];
/// The proxy's own share, with stops at 5 ms (the aim) and 25 ms (an alert).
const OVERHEAD: &[f64] =
    &[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Judging.
const DECIDE: &[f64] = &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2];
/// Writing to a file.
const WRITE: &[f64] =
    &[1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

macro_rules! metrics {
    ($( $row:ident $name:literal $kind:expr, [$($label:literal),*], $help:literal; )*) => {
        $(
            #[doc = $help]
            pub const $row: Row = Row { name: $name, kind: $kind, labels: &[$($label),*], help: $help };
        )*
        /// Every family, in the order of the table.
        pub const ALL: &[Row] = &[$($row),*];
    };
}

use Kind::{Counter, Gauge, Histogram};

metrics! {
    BUILD_INFO "imapwarden_build_info" Gauge, ["version", "revision"],
        "Version and source revision of this program; always 1";

    // Connections and sessions
    CONNECTIONS_ACCEPTED_TOTAL "imapwarden_connections_accepted_total" Counter, ["listener"],
        "TCP connections accepted";
    CONNECTIONS_REFUSED_TOTAL "imapwarden_connections_refused_total" Counter, ["listener", "reason"],
        "Connections turned away before a session began";
    SESSIONS "imapwarden_sessions" Gauge, ["listener", "state"],
        "Open sessions by state";
    SESSIONS_LIMIT "imapwarden_sessions_limit" Gauge, ["listener"],
        "Connections that the listener takes at once: max_connections";
    SESSIONS_CLOSED_TOTAL "imapwarden_sessions_closed_total" Counter, ["listener", "reason"],
        "Sessions that ended, by why";
    SESSION_DURATION_SECONDS "imapwarden_session_duration_seconds" Histogram(SESSION), ["listener"],
        "From the beginning of a session to its end";
    USERS "imapwarden_users" Gauge, [],
        "Users that are logged in, each counted once";
    BUFFERED_BYTES "imapwarden_buffered_bytes" Gauge, [],
        "Octets that sessions hold because a peer has not taken them, or has not sent the rest";
    BUFFER_LIMIT_BYTES "imapwarden_buffer_limit_bytes" Gauge, [],
        "Octets that they would hold at most, at max_connections of all listeners";
    LOCKS "imapwarden_locks" Gauge, ["subject"],
        "Locks that hold, by whom they keep out";
    TLS_HANDSHAKES_TOTAL "imapwarden_tls_handshakes_total" Counter, ["listener", "version", "result"],
        "TLS handshakes with clients; version none where they failed before one was agreed on";
    TLS_CERTIFICATE_NOT_AFTER_SECONDS "imapwarden_tls_certificate_not_after_seconds" Gauge, ["name"],
        "End of each configured certificate, in seconds since 1970";
    CLIENT_BYTES_TOTAL "imapwarden_client_bytes_total" Counter, ["listener", "direction"],
        "Octets of IMAP from clients (in) and to clients (out), inside TLS";
    UPSTREAM_BYTES_TOTAL "imapwarden_upstream_bytes_total" Counter, ["upstream", "direction"],
        "Octets of IMAP from upstreams (in) and to upstreams (out), inside TLS";

    // Logins and commands
    AUTH_ATTEMPTS_TOTAL "imapwarden_auth_attempts_total" Counter, ["listener", "mechanism", "result"],
        "Attempts to log in, by how they ended";
    AUTH_DURATION_SECONDS "imapwarden_auth_duration_seconds" Histogram(AUTH), ["listener"],
        "From the login command to its tagged response";
    COMMANDS_TOTAL "imapwarden_commands_total" Counter, ["verb", "status"],
        "Commands, counted at their tagged response; CUT where none came";
    COMMAND_DURATION_SECONDS "imapwarden_command_duration_seconds" Histogram(COMMAND), ["kind"],
        "From a complete command to its tagged response, without IDLE";
    OVERHEAD_SECONDS "imapwarden_overhead_seconds" Histogram(OVERHEAD), ["kind"],
        "The part of a command's time that waited neither for the client nor for the upstream";
    PROTOCOL_FAULTS_TOTAL "imapwarden_protocol_faults_total" Counter, ["side", "reason"],
        "What a peer sent against the protocol";

    // Upstreams
    UPSTREAM_UP "imapwarden_upstream_up" Gauge, ["upstream"],
        "1 if the last connection to the upstream was made, 0 if it failed; absent until it was tried";
    UPSTREAM_SESSIONS "imapwarden_upstream_sessions" Gauge, ["upstream"],
        "Open connections to the upstream";
    UPSTREAM_CONNECT_SECONDS "imapwarden_upstream_connect_seconds" Histogram(COMMAND), ["upstream"],
        "Time to connect to the upstream, TLS included";
    UPSTREAM_RESPONSE_SECONDS "imapwarden_upstream_response_seconds" Histogram(COMMAND), ["upstream"],
        "From a command's last octet to the upstream's first octet back";
    UPSTREAM_ERRORS_TOTAL "imapwarden_upstream_errors_total" Counter, ["upstream", "reason"],
        "What went wrong with the upstream";

    // Policy
    POLICY_VERDICTS_TOTAL "imapwarden_policy_verdicts_total" Counter, ["verdict"],
        "Requests, by what the rules said";
    POLICY_RULE_HITS_TOTAL "imapwarden_policy_rule_hits_total" Counter, ["rule", "effect", "mode"],
        "Requests from which a rule took something, or would have (mode shadow)";
    POLICY_ALERTS_TOTAL "imapwarden_policy_alerts_total" Counter, ["rule"],
        "Requests that ran into a rule with alert = true";
    POLICY_DECIDE_SECONDS "imapwarden_policy_decide_seconds" Histogram(DECIDE), [],
        "Time to judge a request";
    POLICY_INFO "imapwarden_policy_info" Gauge, ["rev"],
        "Revision of the rules in force; always 1";
    POLICY_RULES "imapwarden_policy_rules" Gauge, ["mode"],
        "Rules in force; folded counts those that share the rule label _other";
    POLICY_RELOADS_TOTAL "imapwarden_policy_reloads_total" Counter, ["result"],
        "Reloads of configuration and rules";
    POLICY_LAST_RELOAD_OK "imapwarden_policy_last_reload_ok" Gauge, [],
        "1 if the last reload, or the start, put what is in the files in force";
    POLICY_LAST_RELOAD_SECONDS "imapwarden_policy_last_reload_seconds" Gauge, [],
        "Time of the last reload that succeeded, or of the start, in seconds since 1970";
    POLICY_SOURCE_AGE_SECONDS "imapwarden_policy_source_age_seconds" Gauge, ["source"],
        "Time since a source beside the rules was read";
    HIDDEN_MESSAGES_TOTAL "imapwarden_hidden_messages_total" Counter, [],
        "Messages withheld from clients";
    HIDDEN_MAILBOXES_TOTAL "imapwarden_hidden_mailboxes_total" Counter, [],
        "Mailboxes withheld from answers to clients";
    FILTER_FAILURES_TOTAL "imapwarden_filter_failures_total" Counter, ["reason"],
        "Responses that could not be filtered with certainty, by kind of response; must stay 0";
    MESSAGES_READ_TOTAL "imapwarden_messages_read_total" Counter, ["class"],
        "Messages delivered, by how much of them";
    MESSAGE_BYTES_TOTAL "imapwarden_message_bytes_total" Counter, ["class"],
        "Octets of messages delivered, by class of read";
    LIMIT_HITS_TOTAL "imapwarden_limit_hits_total" Counter, ["limit", "action"],
        "Limits that were reached: keys of [limits] and of listeners, and rules by their id";

    // The audit log
    AUDIT_RECORDS_TOTAL "imapwarden_audit_records_total" Counter, ["area"],
        "Records written, by the first two letters of their code";
    AUDIT_LOST_TOTAL "imapwarden_audit_lost_total" Counter, ["reason"],
        "Records that could not be written; must stay 0 unless on_failure is continue";
    AUDIT_FAILING "imapwarden_audit_failing" Gauge, [],
        "1 while the audit log cannot be written";
    AUDIT_REFUSED_TOTAL "imapwarden_audit_refused_total" Counter, [],
        "Commands and logins refused because the audit log fails";
    AUDIT_QUEUE "imapwarden_audit_queue" Gauge, [],
        "Records that wait to be written";
    AUDIT_QUEUE_LIMIT "imapwarden_audit_queue_limit" Gauge, [],
        "Records that may wait before sessions wait, too";
    AUDIT_WRITE_SECONDS "imapwarden_audit_write_seconds" Histogram(WRITE), [],
        "Time to hand a group of records to the kernel";
    AUDIT_SYNC_SECONDS "imapwarden_audit_sync_seconds" Histogram(WRITE), [],
        "Time to bring records to the disk";
    AUDIT_LAST_WRITE_SECONDS "imapwarden_audit_last_write_seconds" Gauge, [],
        "Time of the last record, in seconds since 1970";
    AUDIT_LAST_CHECKPOINT_SECONDS "imapwarden_audit_last_checkpoint_seconds" Gauge, [],
        "Time of the last signed note, in seconds since 1970; 0 where the log has no key";
    AUDIT_DISK_FREE_RATIO "imapwarden_audit_disk_free_ratio" Gauge, [],
        "Free space where the audit log lives, 0 to 1";

    DRAINING "imapwarden_draining" Gauge, [],
        "1 while open sessions are being ended and no new ones are taken";

    // The process, as all programs tell it
    PROCESS_CPU_SECONDS_TOTAL "process_cpu_seconds_total" Counter, [],
        "Total user and system CPU time spent in seconds";
    PROCESS_OPEN_FDS "process_open_fds" Gauge, [],
        "Number of open file descriptors";
    PROCESS_MAX_FDS "process_max_fds" Gauge, [],
        "Maximum number of open file descriptors";
    PROCESS_VIRTUAL_MEMORY_BYTES "process_virtual_memory_bytes" Gauge, [],
        "Virtual memory size in bytes";
    PROCESS_RESIDENT_MEMORY_BYTES "process_resident_memory_bytes" Gauge, [],
        "Resident memory size in bytes";
    PROCESS_START_TIME_SECONDS "process_start_time_seconds" Gauge, [],
        "Start time of the process since unix epoch in seconds";
    PROCESS_THREADS "process_threads" Gauge, [],
        "Number of OS threads in the process";
}
