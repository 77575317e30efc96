//! What a question is asked of: the rules, and what the configuration says of clients and servers.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::Question;
use crate::app::rules;
use crate::app::sharing::serves;
use crate::config::{self, Config, ListenerTls};
use crate::diagnostic::{Problem, Sources};
use crate::imap::mailbox::MailboxName;
use crate::policy::{
    Asked, Explanation, Given, Hits, LoadContext, LoginVerdict, Outcome, RefusalKind, RuleSet, Scope, Subject, Target,
    TlsLevel, complete_login,
};
use crate::session::UserTest;
use crate::session::asks::is_offered;

/// A client of which nothing else is said comes from an address that is nobody's (RFC 5737).
const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// What names files that rules can be tried without.
const OTHERS: [(&str, &str); 4] =
    [("listener", "certificate"), ("listener", "private_key"), ("listener", "certificates"), ("upstream", "ca")];

/// Rules, and what stands around them.
pub struct Ground {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// What rule files and tests may refer to.
    pub context: LoadContext,
    listeners: Vec<(Box<str>, TlsLevel)>,
    upstreams: Vec<Upstream>,
}

struct Upstream {
    name: Box<str>,
    serves: Option<UserTest>,
    deleted_expunges: bool,
}

/// What comes of a question.
#[derive(Debug)]
pub struct Told {
    /// What the rules do, and why.
    pub explanation: Explanation,
    /// What the client hears instead, where it is refused.
    pub answer: Option<String>,
    /// Does the mailbox exist for this client, or those that the command names?
    pub visible: Option<bool>,
    /// The rules that hide one of them.
    pub hidden_by: Hits,
    /// Was nothing named, so that it is about all that is left?
    pub about_all: bool,
    /// What was taken for given.
    pub note: Option<String>,
}

impl Ground {
    /// From a configuration. What is wrong in it does not matter, but for which rules there are, and whether they load.
    pub fn load(path: &Path, sources: &mut Sources) -> (Option<(Self, Config)>, Vec<Problem>) {
        let (config, mut problems) = config::read(path, sources);
        let Some(config) = config else { return (None, problems) };
        let without_rules = !config.places.says("policy.rules");
        let wrong =
            problems.iter().any(|problem| problem.is_error() && config.places.is_about(problem, "policy.rules"));
        let (_, loaded) = rules::load(&config, sources, &mut problems);
        let ground = loaded.filter(|_| !without_rules && !wrong).map(|rules| Self::of(&config, rules.set));
        // Warnings, and files that rules do not need, are the business of `check`.
        let of_others = |problem: &Problem| {
            OTHERS.iter().any(|(section, key)| {
                let at = (0..).map(|number| format!("{section}.{number}"));
                let at = at.take_while(|place| config.places.says(place));
                at.into_iter().any(|place| config.places.is_about(problem, &format!("{place}.{key}")))
            })
        };
        problems.retain(|problem| problem.is_error() && !of_others(problem));
        (ground.map(|ground| (ground, config)), problems)
    }

    /// Of a configuration and its rules.
    #[must_use]
    pub fn of(config: &Config, rules: Arc<RuleSet>) -> Self {
        let level = |tls: ListenerTls| match tls {
            ListenerTls::Implicit | ListenerTls::Starttls => TlsLevel::Server,
            ListenerTls::Off => TlsLevel::None,
        };
        let upstreams = config.upstreams.iter().map(|upstream| Upstream {
            name: upstream.name.clone(),
            serves: serves(&upstream.match_user),
            deleted_expunges: upstream.deleted_expunges,
        });
        Self {
            rules,
            context: rules::context(config),
            listeners: config.listeners.iter().map(|listener| (listener.name.clone(), level(listener.tls))).collect(),
            upstreams: upstreams.collect(),
        }
    }

    /// Rules alone.
    #[must_use]
    pub fn of_rules(rules: Arc<RuleSet>) -> Self {
        Self { rules, context: LoadContext::default(), listeners: Vec::new(), upstreams: Vec::new() }
    }

    /// Asks what the rules do at that time.
    #[must_use]
    pub fn ask(&self, given: &Given, mailbox: Option<&str>, question: Option<&Question>, at: Timestamp) -> Told {
        let (subject, _) = self.subject(given);
        let mut explanation = self.asked(given, mailbox, question, at, |asked| self.rules.explain(asked));
        let said: Vec<String> = explanation.passed.iter().map(|passed| passed.why.clone()).collect();
        let note = self.unsaid(given, &said);
        let bound = self.rules.bind(&subject);
        let name = mailbox.map(MailboxName::new);
        let denied = explanation.login.is_denied();
        if let Some(question) = question.filter(|_| !denied) {
            let filtered = bound.scope() == Scope::Filtered;
            if !is_offered(question.verb, filtered, bound.restricts()) {
                explanation.outcome = Outcome::Refused;
                let under = if filtered { "hide mailboxes" } else { "take rights or commands" };
                explanation.why.push(format!("{} is not offered where rules {under}", question.verb));
                explanation.took.clear();
            }
        }
        let looked_at: Vec<&MailboxName> = match &name {
            Some(name) => vec![name],
            None => question.iter().flat_map(|question| question.named()).collect(),
        };
        let hiding: Vec<_> = looked_at.iter().map(|name| bound.hiding(&Target::new(name), at)).collect();
        let hidden = hiding.iter().any(|hiding| hiding.is_hidden());
        Told {
            answer: answer(&explanation, question),
            about_all: mailbox.is_none() && question.is_none(),
            note,
            visible: (!looked_at.is_empty()).then_some(!hidden && !denied),
            hidden_by: hiding.into_iter().find(|hiding| hiding.is_hidden()).map(|hiding| hiding.by).unwrap_or_default(),
            explanation,
        }
    }

    /// Why the rule of that id takes nothing; `None` where there is no such rule.
    #[must_use]
    pub fn why_not(
        &self,
        id: &str,
        given: &Given,
        mailbox: Option<&str>,
        question: Option<&Question>,
        at: Timestamp,
    ) -> Option<String> {
        self.asked(given, mailbox, question, at, |asked| self.rules.why_not(id, asked))
    }

    /// Asks policy.
    fn asked<T>(
        &self,
        given: &Given,
        mailbox: Option<&str>,
        question: Option<&Question>,
        at: Timestamp,
        ask: impl FnOnce(&Asked<'_>) -> T,
    ) -> T {
        let (subject, deleted_expunges) = self.subject(given);
        let targets = question.map(Question::targets).unwrap_or_default();
        let request = question.map(|question| question.request(&targets, deleted_expunges));
        let name = mailbox.map(MailboxName::new);
        let counted = question.map(|question| question.counted).unwrap_or_default();
        ask(&Asked { subject: &subject, at, mailbox: name.as_ref().map(Target::new), request, counted })
    }

    /// What is said where reasons name an address that nobody gave.
    pub(super) fn unsaid(&self, given: &Given, said: &[String]) -> Option<String> {
        let named = said.iter().any(|text| text.contains(&format!("client_ip {NOBODYS} ")));
        (given.client_ip.is_none() && named).then(|| format!("no client_ip is given: {NOBODYS} stands for it"))
    }

    /// When hours next change something for them.
    #[must_use]
    pub fn next_change(&self, given: &Given, after: Timestamp) -> Option<Timestamp> {
        self.rules.bind(&self.subject(given).0).next_change(after)
    }

    /// What is not said is as for most: the first listener, the upstream that serves the user, no ID, nobody's address.
    pub(in crate::app) fn subject(&self, given: &Given) -> (Subject, bool) {
        let complete = |name: &str| Arc::from(&*complete_login(name, self.context.default_domain.as_deref()));
        let user: Arc<str> = complete(given.user.as_deref().unwrap_or_default());
        let listener = match &given.listener {
            Some(name) => self.listeners.iter().find(|(known, _)| known == name),
            None => self.listeners.first(),
        };
        let upstream = match &given.upstream {
            Some(name) => self.upstreams.iter().find(|upstream| upstream.name == *name),
            None => self.upstream_of(&user),
        };
        let text =
            |said: &Option<Box<str>>, other: Option<&str>| Arc::from(said.as_deref().or(other).unwrap_or_default());
        let subject = Subject {
            actor: given.actor.as_deref().map_or_else(|| Arc::clone(&user), complete),
            user,
            groups: given.groups.iter().map(|(group, _)| Arc::from(&**group)).collect(),
            listener: text(&given.listener, listener.map(|(name, _)| &**name)),
            upstream: text(&given.upstream, upstream.map(|upstream| &*upstream.name)),
            client_ip: given.client_ip.unwrap_or(NOBODYS),
            client_id: text(&given.client_id, None),
            tls: given.tls.or(listener.map(|(_, tls)| *tls)).unwrap_or(TlsLevel::Server),
        };
        (subject, upstream.is_some_and(|upstream| upstream.deleted_expunges))
    }

    /// As sessions find it: the first that is for this user, else the first that is for everybody.
    fn upstream_of(&self, user: &str) -> Option<&Upstream> {
        let serving = |upstream: &&Upstream| upstream.serves.as_ref().is_some_and(|serves| serves(user));
        let rest = || self.upstreams.iter().find(|upstream| upstream.serves.is_none());
        self.upstreams.iter().find(serving).or_else(rest)
    }
}

/// What the client hears.
fn answer(told: &Explanation, question: Option<&Question>) -> Option<String> {
    if let LoginVerdict::Denied { text, .. } = &told.login {
        return Some(format!("NO [AUTHORIZATIONFAILED] {text}"));
    }
    match told.refusal {
        Some(RefusalKind::NoPerm | RefusalKind::Reserved) => Some("NO [NOPERM]".to_owned()),
        Some(RefusalKind::Hidden) => question.map(|question| format!("NO [{}]", question.absent_code)),
        None if told.too_big => Some("NO [TOOBIG]".to_owned()),
        None if told.outcome == Outcome::Refused => Some("BAD unknown command".to_owned()),
        None => None,
    }
}
