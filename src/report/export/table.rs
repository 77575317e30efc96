//! One row a type: which class and activity it is to others.

use crate::audit::Line;
use crate::report::data::Data;

/// What a type is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// OCSF class.
    pub class: Class,
    /// Its activity.
    pub activity: u64,
    /// ECS `event.category`.
    pub category: &'static str,
    /// ECS `event.type`.
    pub kind: &'static str,
}

/// Classes of OCSF, by what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 0 Base Event.
    Base,
    /// 2004 Detection Finding.
    Finding,
    /// 3002 Authentication.
    Authentication,
    /// 3004 Entity Management.
    Entity,
    /// 4001 Network Activity.
    Network,
    /// 6002 Application Lifecycle.
    Lifecycle,
    /// 6003 API Activity.
    Api,
    /// 6005 Datastore Activity.
    Datastore,
}

impl Class {
    /// `class_uid`
    #[must_use]
    pub const fn uid(self) -> u64 {
        match self {
            Self::Base => 0,
            Self::Finding => 2004,
            Self::Authentication => 3002,
            Self::Entity => 3004,
            Self::Network => 4001,
            Self::Lifecycle => 6002,
            Self::Api => 6003,
            Self::Datastore => 6005,
        }
    }
}

/// Activity "Other" of every class.
const OTHER: u64 = 99;

/// The row of a record's type.
#[must_use]
pub fn row(line: &Line<'_>, data: &Data<'_>) -> Row {
    use Class as C;
    let row = |class, activity, category, kind| Row { class, activity, category, kind };
    // Without these, a class cannot be filled in.
    let has_user = line.user.is_some();
    let has_client = line.client_ip.is_some();
    match line.type_name {
        "auth.success" | "auth.failure" | "auth.refused" if has_user => {
            row(C::Authentication, 1, "authentication", "start")
        }
        "auth.success" | "auth.failure" | "auth.refused" => row(C::Network, OTHER, "authentication", "start"),
        "session.close" if has_user => row(C::Authentication, 2, "authentication", "end"),
        "session.close" => row(C::Network, 2, "session", "end"),
        "session.open" => row(C::Network, 1, "session", "start"),
        "session.refused" => row(C::Network, 5, "session", "info"),
        "session.kill" => row(C::Network, 3, "session", "end"),
        "message.read" if has_client => row(C::Datastore, 1, "email", "info"),
        "message.search" if has_client => row(C::Datastore, 4, "email", "info"),
        "mailbox.open" if has_client => row(C::Datastore, 3, "email", "info"),
        "mailbox.list" | "mailbox.status" if has_client => row(C::Datastore, 8, "email", "info"),
        "message.flag" | "mailbox.change" | "mailbox.acl" if has_client => row(C::Datastore, 2, "email", "info"),
        "message.copy" if has_client => row(C::Datastore, 6, "email", "info"),
        "message.append" if has_client => row(C::Datastore, 5, "email", "info"),
        "message.expunge" if has_client => row(C::Datastore, 7, "email", "info"),
        "mailbox.hidden" | "command.refused" | "limit.hit" if has_client && has_user => {
            row(C::Datastore, OTHER, "email", "info")
        }
        "policy.load" | "policy.load_failed" | "policy.expire" => row(C::Entity, 3, "configuration", "change"),
        "credential.change" | "lock.change" => row(C::Entity, 3, "configuration", "change"),
        "admin.action" => {
            let method = data.method.as_ref().map_or("", |method| method.as_str());
            let (activity, kind) = match method {
                "POST" => (1, "change"),
                "GET" | "HEAD" => (2, "access"),
                "PUT" | "PATCH" => (3, "change"),
                "DELETE" => (4, "deletion"),
                _ => (OTHER, "change"),
            };
            row(C::Api, activity, "configuration", kind)
        }
        "proxy.start" => row(C::Lifecycle, 3, "configuration", "info"),
        "proxy.stop" => row(C::Lifecycle, 4, "configuration", "info"),
        "proxy.drain" => row(C::Lifecycle, OTHER, "configuration", "info"),
        "policy.alert" | "detect.finding" => row(C::Finding, 1, "intrusion_detection", "info"),
        "audit.access" => row(C::Base, OTHER, "configuration", "access"),
        name if name.starts_with("message.") || name.starts_with("mailbox.") => row(C::Base, OTHER, "email", "info"),
        name if name.starts_with("audit.") || name.starts_with("policy.") => {
            row(C::Base, OTHER, "configuration", "info")
        }
        name if name.starts_with("upstream.") || name.starts_with("protocol.") => {
            row(C::Base, OTHER, "network", "info")
        }
        _ => row(C::Base, OTHER, "session", "info"),
    }
}
