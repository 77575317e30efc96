//! Every way to log in, over every kind of TLS, right and wrong; and what never may be said in clear.

use super::client::Client;
use super::dovecot::{Dovecot, Names, TOKEN_KEY, password};
use super::front::Front;
use super::mail;
use super::place::{Place, succeed, until};
use super::proxy::{Proxy, Settings};

/// Arguments of `login.py`, and what the audit log calls it.
const WAYS: &[(&[&str], &str)] = &[
    (&["LOGIN-atom"], "LOGIN"),
    (&["LOGIN-quoted"], "LOGIN"),
    (&["LOGIN-literal"], "LOGIN"),
    (&["LOGIN-literal+"], "LOGIN"),
    (&["PLAIN"], "PLAIN"),
    (&["PLAIN", "-IR"], "PLAIN"),
    (&["LOGIN"], "LOGIN"),
    (&["SCRAM-SHA-1"], "SCRAM-SHA-1"),
    (&["SCRAM-SHA-256"], "SCRAM-SHA-256"),
    (&["SCRAM-SHA-256", "-IR"], "SCRAM-SHA-256"),
    (&["XOAUTH2"], "XOAUTH2"),
    (&["XOAUTH2", "-IR"], "XOAUTH2"),
    (&["OAUTHBEARER", "-IR"], "OAUTHBEARER"),
];

#[test]
fn every_mechanism_logs_in_with_the_right_secret_and_not_with_a_wrong_one() {
    let (dovecot, mut proxy) = plain();
    for (front, what) in [(Front::straight(&dovecot, "ann"), "straight"), (proxy.front("ann"), "through the proxy")] {
        for (arguments, _) in WAYS {
            assert_eq!(login(&front, "implicit", arguments, ""), ["a OK", "b OK"], "{what}: {arguments:?}");
            let refused = login(&front, "implicit", arguments, "-wrong");
            assert_eq!(refused, ["a NO", "b BAD"], "{what}: {arguments:?} with a wrong secret");
        }
        assert_eq!(login(&front, "starttls", &["PLAIN", "-IR"], ""), ["a OK", "b OK"], "{what}: STARTTLS");
    }
    let records = proxy.stop();
    for (arguments, mechanism) in WAYS {
        let found = |kind: &str| {
            let of = |r: &&serde_json::Value| {
                r["type"] == kind && r["data"]["mech"].as_str().is_some_and(|m| m.eq_ignore_ascii_case(mechanism))
            };
            records.iter().filter(of).count()
        };
        assert!(found("auth.success") > 0 && found("auth.failure") > 0, "{arguments:?} is not in the log");
    }
    let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
    assert_eq!(count("auth.success"), WAYS.len() + 1);
    assert_eq!(count("auth.failure"), WAYS.len());
    for failure in records.iter().filter(|record| record["type"] == "auth.failure") {
        assert_eq!(failure["data"]["reason"], "credentials", "{failure}");
    }
    for success in records.iter().filter(|record| record["type"] == "auth.success") {
        assert_eq!(success["user"], "ann", "{success}");
    }
}

#[test]
fn the_first_client_is_offered_what_the_upstream_takes() {
    let dovecot = Dovecot::start(&["ann"]);
    for (what, settings) in
        [("TLS", Settings::before(&dovecot)), ("STARTTLS", Settings::before(&dovecot).upstream_starttls(&dovecot))]
    {
        let mut proxy = settings.start();
        knows_its_upstream(&proxy);
        for arguments in [&["OAUTHBEARER", "-IR"], &["SCRAM-SHA-256", "-IR"]] {
            assert_eq!(
                login(&proxy.front("ann"), "implicit", arguments, ""),
                ["a OK", "b OK"],
                "{what}: {arguments:?}"
            );
        }
        proxy.stop();
    }
}

#[test]
fn a_token_opens_the_mail_of_nobody_else() {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let mut proxy = Settings::before(&dovecot).start();
    knows_its_upstream(&proxy);
    for arguments in [&["XOAUTH2"][..], &["XOAUTH2", "-IR"], &["OAUTHBEARER", "-IR"]] {
        let mut python = proxy.front("bob").python("login.py");
        let said = succeed(python.arg("implicit").args(arguments).env("PASSWORD", TOKEN_KEY).env("TOKEN_OF", "ann"));
        assert_eq!(said.lines().collect::<Vec<_>>(), ["a NO", "b BAD"], "{arguments:?}");
    }
    let records = proxy.stop();
    let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
    assert_eq!((count("auth.success"), count("auth.failure")), (0, 3));
}

#[test]
fn in_clear_no_login_is_offered_or_taken() {
    let (dovecot, mut proxy) = plain();
    let mut client = Client::clear(proxy.imap());
    let offered = client.run("CAPABILITY").ok().whole();
    assert!(
        offered.contains(" LOGINDISABLED") && offered.contains(" STARTTLS") && !offered.contains("AUTH="),
        "{offered}"
    );
    client.run(&format!("LOGIN ann {}", password("ann"))).no("[PRIVACYREQUIRED]");
    client.run("AUTHENTICATE PLAIN AGFubgBjYW5hcnktYW5u").no("");
    assert!(!dovecot.log().contains("user=<ann>"), "a login in clear went up:\n{}", dovecot.log());
    client.starttls(&proxy.ca());
    let offered = client.run("CAPABILITY").ok().whole();
    assert!(
        !offered.contains("LOGINDISABLED") && !offered.contains("STARTTLS") && offered.contains("AUTH=PLAIN"),
        "{offered}"
    );
    let mut client = client.login("ann");
    client.run("SELECT INBOX").ok();
    client.logout();
    proxy.stop();
}

#[test]
fn octets_behind_starttls_end_the_connection_and_do_nothing() {
    let (dovecot, mut proxy) = plain();
    let mut client = Client::clear(proxy.imap());
    client.say(format!("a STARTTLS\r\nb LOGIN ann {}\r\nc LOGOUT\r\n", password("ann")));
    let heard = client.rest();
    assert!(!heard.iter().any(|line| line.starts_with("b OK") || line.starts_with("a OK")), "{heard:?}");
    assert!(!dovecot.log().contains("user=<ann>"), "what stood behind STARTTLS was done:\n{}", dovecot.log());
    proxy.stop();
}

#[test]
fn a_login_in_clear_works_where_the_configuration_allows_it() {
    let (_dovecot, mut proxy) = plain();
    let mut client = Client::clear(proxy.clear()).login("ann");
    assert_eq!(
        client.run("STATUS INBOX (MESSAGES)").ok().lines(),
        [format!("* STATUS INBOX (MESSAGES {})", mail::IN_INBOX)]
    );
    client.logout();
    proxy.stop();
}

#[test]
fn the_upstream_is_reached_by_starttls_too() {
    let dovecot = Dovecot::start_with(&["ann"], Names::Slash, "disable_plaintext_auth = yes\n");
    let mut proxy = Settings::before(&dovecot).upstream_starttls(&dovecot).start();
    let mut client = proxy.login("ann");
    client.run("SELECT INBOX").ok();
    client.logout();
    assert!(dovecot.log().contains("user=<ann>") && dovecot.log().contains("TLS"), "{}", dovecot.log());
    proxy.stop();
}

#[test]
fn an_upstream_that_cannot_prove_who_it_is_gets_no_password() {
    let dovecot = Dovecot::start(&["ann"]);
    let stranger = Place::new();
    let mut proxy = Settings::before(&dovecot).trusting(stranger.ca()).start();
    let mut client = Client::tls(proxy.imaps(), &proxy.ca());
    client.run(&format!("LOGIN ann {}", password("ann"))).no("[UNAVAILABLE]");
    assert!(!dovecot.log().contains("user=<ann>"), "{}", dovecot.log());
    proxy.stop();
}

#[test]
fn an_upstream_that_is_away_is_unavailable_and_no_wrong_password() {
    let mut dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    dovecot.stop();
    let mut client = Client::tls(proxy.imaps(), &proxy.ca());
    client.run(&format!("LOGIN ann {}", password("ann"))).no("[UNAVAILABLE]");
    let records = proxy.stop();
    let failure = records.iter().find(|record| record["type"] == "auth.failure").expect("a failed login");
    assert_eq!(failure["data"]["reason"], "unavailable");
}

#[test]
fn a_login_that_a_rule_denies_is_refused_before_the_password_is_looked_at() {
    let rules = "[[rule]]\nid = \"not-from-here\"\nwhen = { user = \"bob\", client_ip = \"127.0.0.0/8\" }\n\
                 deny_login = \"Not from this network\"\n";
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    knows_its_upstream(&proxy);
    let mut answers = Vec::new();
    for secret in [password("bob"), "canary-wrong".to_owned()] {
        let mut client = Client::tls(proxy.imaps(), &proxy.ca());
        answers
            .push(client.run(&format!("LOGIN bob {secret}")).no("[AUTHORIZATIONFAILED] Not from this network").whole());
    }
    assert_eq!(answers[0], answers[1]);
    for arguments in [&["PLAIN", "-IR"][..], &["SCRAM-SHA-256"], &["LOGIN"]] {
        assert_eq!(login(&proxy.front("bob"), "implicit", arguments, "")[0], "a NO", "{arguments:?}");
    }
    assert!(!dovecot.log().contains("user=<bob>"), "{}", dovecot.log());
    proxy.login("ann").logout();
    let records = proxy.stop();
    let refused: Vec<_> = records.iter().filter(|record| record["type"] == "auth.refused").collect();
    assert_eq!(refused.len(), 5, "{refused:#?}");
    assert!(
        refused.iter().all(|record| record["policy"]["by"][0] == "not-from-here" && record["user"] == "bob"),
        "{refused:#?}"
    );
}

/// Waits until clients are told all that they can choose from.
fn knows_its_upstream(proxy: &Proxy) {
    until("the upstream is known", || {
        let mut client = Client::tls(proxy.imaps(), &proxy.ca());
        let offered = client.run("CAPABILITY").ok().whole();
        client.logout();
        offered.contains("AUTH=SCRAM-SHA-256").then_some(())
    });
}

/// The first two words of the login's answer, and of a command after it.
fn login(front: &Front, way: &str, arguments: &[&str], behind_the_secret: &str) -> Vec<String> {
    let mut python = front.python("login.py");
    let token = arguments[0].contains("OAUTH");
    let secret = if token { TOKEN_KEY.to_owned() } else { front.password() };
    let said = succeed(python.arg(way).args(arguments).env("PASSWORD", secret + behind_the_secret));
    said.lines().map(str::to_owned).collect()
}

fn plain() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).start();
    (dovecot, proxy)
}
