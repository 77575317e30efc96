//! A real Prometheus scrapes a proxy that works, by the shipped configuration.

use super::prometheus::Prometheus;
use crate::real::dovecot::Dovecot;
use crate::real::place::until;
use crate::real::proxy::Settings;

#[test]
fn a_prometheus_scrapes_it_and_its_alerts_are_evaluated() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    let prometheus = Prometheus::scraping(proxy.admin());
    until("it is up", || prometheus.ask("up{job=\"imapwarden\"} == 1").ok().filter(|found| !found.is_empty()));
    for expression in [
        "imapwarden_build_info == 1",
        "imapwarden_sessions{listener=\"imaps\", state=\"selected\"} == 1",
        "imapwarden_upstream_up{upstream=\"main\"} == 1",
        "process_open_fds{job=\"imapwarden\"} > 0",
    ] {
        until(expression, || prometheus.ask(expression).ok().filter(|found| !found.is_empty()));
    }
    let rules = until("the rules are evaluated", || {
        let page = prometheus.page("/api/v1/rules")?;
        let rules: Vec<_> = page["data"]["groups"]
            .as_array()?
            .iter()
            .flat_map(|group| group["rules"].as_array())
            .flatten()
            .cloned()
            .collect();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    });
    let firing: Vec<_> = rules.iter().filter(|rule| rule["state"] == "firing").map(|rule| &rule["name"]).collect();
    assert!(rules.len() > 20);
    assert_eq!(firing, ["ImapwardenWatchdog"], "a proxy that works");
    let series = prometheus.ask("scrape_samples_scraped").expect("it counts them");
    let count: f64 = series[0]["value"][1].as_str().and_then(|count| count.parse().ok()).expect("a number");
    assert!(count < 3_000.0, "{count} series");
    ann.logout();
    proxy.stop();
}
