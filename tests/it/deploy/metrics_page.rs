//! docs/metrics.md is what the table of metrics says. `BLESS=1` writes it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use imapwarden::metrics::table::{self, Kind};

const HEAD: &str = "# Metrics

`/metrics` on the admin port, in the text format of Prometheus. Units are base units: seconds, octets, ratios from 0 to 1; times are
seconds since 1970. A histogram is `…_bucket`, `…_sum` and `…_count`.

No label ever holds a user, an address, a mailbox, a message or any text of a peer: `listener`, `upstream`, `rule`, `limit` and `name` come
from the configuration, the others from closed lists. Rules past the first 500 share the label `_other`. Who reads most is a question for
[the audit log](audit.md) and [the admin port](admin.md).

[Alerts](../deploy/prometheus/imapwarden.rules.yml) go by these, each with a page in [runbooks](runbooks), and so do two
[dashboards](../deploy/grafana).

| metric | is | labels | means |
| --- | --- | --- | --- |
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for row in table::ALL {
        let kind = match row.kind {
            Kind::Counter | Kind::Gauge => row.kind.word().to_owned(),
            Kind::Histogram(edges) => {
                let (first, last) = (edges.first().expect("an edge"), edges.last().expect("an edge"));
                format!("histogram, {first} to {last} s")
            }
        };
        let labels = row.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", row.name, row.help);
    }
    page
}

#[test]
fn the_page_of_metrics_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, page()).expect("it is ours");
    }
    let there = fs::read_to_string(&path).expect("docs/metrics.md");
    assert_eq!(there, page(), "BLESS=1 writes it");
}
