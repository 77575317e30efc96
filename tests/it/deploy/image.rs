//! The Dockerfile: held against rules, and what it would copy run as its container would.
//!
//! No image is built: there is no engine here. What each COPY names goes into a folder, and `image.sh` runs it there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::real::place::{Place, output, succeed, tool};
use crate::real::proxy::PROGRAM;

const FILE: &str = include_str!("../../../deploy/Dockerfile");

/// Instructions with their arguments; comments and line ends within are gone.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let lines = lines.replace("\\\n", " ");
    let words = lines.lines().filter_map(|line| line.trim().split_once(' '));
    words.map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

/// What the image itself is made by: all behind the last FROM.
fn image(text: &str) -> Vec<(String, String)> {
    let all = instructions(text);
    let last = all.iter().rposition(|(name, _)| name == "FROM").map_or(0, |at| at + 1);
    all[last..].to_vec()
}

fn value(image: &[(String, String)], name: &str) -> String {
    image.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Words of the form that needs no shell: `["a", "b"]`.
fn words(value: &str) -> Vec<String> {
    let list = value.find('[').and_then(|at| value.get(at..)).unwrap_or_default();
    serde_json::from_str(list).unwrap_or_default()
}

/// Each file that is copied: from where, to where.
fn copies(image: &[(String, String)]) -> Vec<(PathBuf, PathBuf)> {
    let mut all = Vec::new();
    for (_, rest) in image.iter().filter(|(name, _)| name == "COPY") {
        let paths: Vec<&str> = rest.split(' ').filter(|word| !word.starts_with("--")).collect();
        let Some((target, sources)) = paths.split_last() else { continue };
        for source in sources {
            let name = Path::new(source).file_name().unwrap_or_default();
            let target = if target.ends_with('/') { Path::new(target).join(name) } else { PathBuf::from(target) };
            all.push((PathBuf::from(source), target));
        }
    }
    all
}

/// Libraries that the program is linked with, as paths of this system.
fn libraries() -> BTreeSet<String> {
    let listed = succeed(tool("ldd").arg(PROGRAM));
    let names = listed.split_whitespace().filter(|word| word.starts_with('/'));
    names.filter_map(|path| Path::new(path).file_name()?.to_str().map(str::to_owned)).collect()
}

/// What is wrong with a Dockerfile.
fn problems(text: &str) -> Vec<String> {
    let (image, mut wrong) = (image(text), Vec::new());
    for (_, from) in instructions(text).iter().filter(|(name, _)| name == "FROM") {
        let base = from.split(' ').next().unwrap_or_default();
        if base != "scratch" && base.split_once(':').is_none_or(|(_, tag)| tag == "latest") {
            wrong.push(format!("FROM {base}: which version?"));
        }
    }
    let user = value(&image, "USER");
    if user.split(':').any(|id| id.parse::<u32>().is_ok_and(|id| id == 0) || id.parse::<u32>().is_err()) {
        wrong.push(format!("USER {user}: a number that is not root's, so that a cluster can tell"));
    }
    if value(&image, "STOPSIGNAL") != "SIGTERM" {
        wrong.push("STOPSIGNAL: SIGTERM drains".to_owned());
    }
    if image.iter().any(|(name, _)| name == "RUN" || name == "ADD" || name == "SHELL") {
        wrong.push("there is no shell to run anything".to_owned());
    }
    let copied = copies(&image);
    for name in ["ENTRYPOINT", "CMD", "HEALTHCHECK"] {
        let words = words(&value(&image, name));
        let program = if name == "CMD" {
            words.len() > 1
        } else {
            copied.iter().any(|(_, to)| words.first().is_some_and(|w| to == Path::new(w)))
        };
        if !program {
            wrong.push(format!("{name}: nothing that is there, or in a form that needs a shell"));
        }
    }
    let there: BTreeSet<String> =
        copied.iter().filter_map(|(_, to)| to.file_name()?.to_str().map(str::to_owned)).collect();
    wrong.extend(libraries().difference(&there).map(|library| format!("it is linked with {library}")));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (from, _) in &copied {
        if from.is_relative() && from != Path::new("target/release/imapwarden") && !root.join(from).exists() {
            wrong.push(format!("{} is not there", from.display()));
        }
    }
    wrong
}

#[test]
fn the_dockerfile_keeps_the_rules() {
    assert_eq!(problems(FILE), [""; 0]);
    for (name, from, to) in [
        ("a base without a version", "debian:bookworm-slim", "debian"),
        ("root", "USER 65532:65532", "USER 0:0"),
        ("a user by name", "USER 65532:65532", "USER imapwarden"),
        ("a signal that kills", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL"),
        ("a shell form", "ENTRYPOINT [\"/usr/bin/imapwarden\"]", "ENTRYPOINT /usr/bin/imapwarden"),
        ("a program elsewhere", "CMD [\"/usr/bin/imapwarden\", \"ready\"", "CMD [\"/bin/imapwarden\", \"ready\""),
        ("a library too few", " /lib/x86_64-linux-gnu/libm.so.6", ""),
        ("something to run", "USER 65532", "RUN true\nUSER 65532"),
    ] {
        assert!(FILE.contains(from), "{name}: {from}");
        assert_ne!(problems(&FILE.replacen(from, to, 1)), [""; 0], "{name}");
    }
}

/// A folder with what the image would hold, and a configuration as its container would be given.
fn lay_out(place: &Place, image: &[(String, String)]) -> PathBuf {
    let root = place.path("root");
    for (from, to) in copies(image) {
        let from = if from.is_relative() { PathBuf::from(PROGRAM) } else { from };
        let to = root.join(to.strip_prefix("/").expect("an absolute path"));
        fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
        fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
    let reference =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/imapwarden.toml")).expect("it");
    let config = reference
        .replace("# directory = \"audit\"", "directory = \"/var/log/imapwarden\"")
        .replace("# directory = \"state\"", "directory = \"/var/lib/imapwarden\"");
    place.write("root/etc/imapwarden/imapwarden.toml", config);
    place.write("root/etc/imapwarden/rules/none.toml", "");
    for (name, of) in [("fullchain.pem", "chain.pem"), ("privkey.pem", "key.pem")] {
        let pem = fs::read(place.path("tls").join(of)).expect("a certificate");
        let path = place.write(&format!("root/etc/imapwarden/tls/{name}"), pem);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("permissions");
    }
    root
}

#[test]
fn what_it_copies_runs_as_its_container_would() {
    let image = image(FILE);
    let place = Place::new();
    let root = lay_out(&place, &image);
    let run = [words(&value(&image, "ENTRYPOINT")), words(&value(&image, "CMD"))].concat().join(" ");
    let health = words(&value(&image, "HEALTHCHECK")).join(" ");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/deploy/image.sh");
    let contained = |user: &str, run: &str| {
        let done = output(tool(script).arg(&root).args([user, run, &health]));
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr),
        )
    };
    let user = value(&image, "USER");
    let (fine, said) = contained(&user, &run);
    assert!(fine && said.ends_with("image: done\n"), "{said}");
    // What is broken is found: an image whose program does not find its configuration.
    let (fine, said) = contained(&user, &run.replace("imapwarden.toml", "none.toml"));
    assert!(!fine && said.contains("it has ended"), "{said}");
}
