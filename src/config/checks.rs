//! What goes wrong between sections: names given twice, ports taken twice.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::table::Table;
use super::values::{AdminBind, Config};

/// Two of a name could not be told apart in rules, metrics and records.
pub(super) fn names(file: &Table<'_>, config: &Config) {
    let listeners = config.listeners.iter().map(|listener| &*listener.name);
    let upstreams = config.upstreams.iter().map(|upstream| &*upstream.name);
    name_each_once(file, "listener", listeners);
    name_each_once(file, "upstream", upstreams);
}

fn name_each_once<'n>(file: &Table<'_>, section: &str, names: impl Iterator<Item = &'n str>) {
    let mut seen = BTreeMap::new();
    for (number, name) in names.enumerate() {
        let Some(first) = seen.insert(name, number + 1) else { continue };
        let place = file.reading().place(&format!("{section}.{number}.name"));
        let problem = file.reading().error(place, format!("two {section}s are called `{name}`"));
        file.reading().problem(problem.label(format!("{section} {first} is, too")).help("give each a name of its own"));
    }
}

/// Two sockets cannot have one port.
pub(super) fn binds(file: &Table<'_>, config: &Config) {
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    let listeners = config.listeners.iter().enumerate().map(|(number, listener)| {
        (listener.bind, format!("listener `{}`", listener.name), format!("listener.{number}.bind"))
    });
    let admin = match config.admin.bind {
        AdminBind::Tcp(bind) => Some((bind, String::from("the admin port"), String::from("admin.bind"))),
        AdminBind::Unix(_) => None,
    };
    for (bind, what, place) in admin.into_iter().chain(listeners) {
        if let Some((_, other)) = taken.iter().find(|(other, _)| overlap(*other, bind)) {
            let problem = file.reading().error(file.reading().place(&place), format!("`{bind}` is taken twice"));
            let help = format!("give {what} a port of its own");
            file.reading().problem(problem.label(format!("{other} has it already")).help(help));
        }
        taken.push((bind, what));
    }
}

/// Would the second be refused by the system? Port 0 is any that is free.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let [a, b] = [one.ip(), other.ip()];
    // `[::]` serves both families.
    let covers = |wide: IpAddr, other: IpAddr| match wide {
        IpAddr::V6(wide) => wide.is_unspecified(),
        IpAddr::V4(wide) => wide.is_unspecified() && other.is_ipv4(),
    };
    one.port() == other.port() && one.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}
