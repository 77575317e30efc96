//! What is a mailbox for, where the server does not say?
//!
//! `\Trash` selects by the attribute of LIST (RFC 6154). A server that tells no special uses has mailboxes with the usual
//! names all the same: those that mail programs make, in a few languages, and those of Gmail.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::request::SpecialUse;
use crate::imap::mailbox::fold;

const USUAL: &[(SpecialUse, &[&str])] = &[
    (
        SpecialUse::ALL,
        &["All Mail", "Alle Nachrichten", "Tous les messages", "Todos", "Tutti i messaggi", "Alle e-mail"],
    ),
    (
        SpecialUse::ARCHIVE,
        &["Archive", "Archives", "Archiv", "Archivo", "Archivio", "Archief", "Arquivo", "Archiwum", "Архив"],
    ),
    (
        SpecialUse::DRAFTS,
        &[
            "Drafts",
            "Draft",
            "Entwürfe",
            "Brouillons",
            "Borradores",
            "Bozze",
            "Concepten",
            "Rascunhos",
            "Kopie robocze",
            "Wersje robocze",
            "Черновики",
            "Utkast",
            "Kladder",
        ],
    ),
    (SpecialUse::FLAGGED, &["Starred", "Flagged", "Markiert", "Suivis", "Destacados", "Speciali", "Met ster"]),
    (SpecialUse::IMPORTANT, &["Important", "Wichtig", "Importants", "Importantes", "Importanti", "Belangrijk"]),
    (
        SpecialUse::JUNK,
        &[
            "Junk",
            "Junk Email",
            "Junk E-mail",
            "Junk Mail",
            "Spam",
            "Bulk Mail",
            "Junk-E-Mail",
            "Spamverdacht",
            "Unerwünscht",
            "Courrier indésirable",
            "Indésirables",
            "Pourriel",
            "Correo no deseado",
            "Posta indesiderata",
            "Ongewenste e-mail",
            "Lixo eletrônico",
            "Wiadomości-śmieci",
            "Спам",
            "Нежелательная почта",
            "Skräppost",
            "Uønsket e-mail",
        ],
    ),
    (
        SpecialUse::SENT,
        &[
            "Sent",
            "Sent Items",
            "Sent Mail",
            "Sent Messages",
            "Gesendet",
            "Gesendete Elemente",
            "Gesendete Objekte",
            "Envoyés",
            "Éléments envoyés",
            "Messages envoyés",
            "Enviados",
            "Elementos enviados",
            "Inviata",
            "Posta inviata",
            "Verzonden",
            "Verzonden items",
            "Itens enviados",
            "Wysłane",
            "Elementy wysłane",
            "Отправленные",
            "Skickat",
            "Sendt post",
        ],
    ),
    (
        SpecialUse::TRASH,
        &[
            "Trash",
            "Deleted Items",
            "Deleted Messages",
            "Deleted",
            "Bin",
            "Papierkorb",
            "Gelöschte Elemente",
            "Gelöschte Objekte",
            "Gelöscht",
            "Corbeille",
            "Éléments supprimés",
            "Papelera",
            "Elementos eliminados",
            "Cestino",
            "Posta eliminata",
            "Prullenbak",
            "Verwijderde items",
            "Lixeira",
            "Lixo",
            "Itens excluídos",
            "Kosz",
            "Elementy usunięte",
            "Корзина",
            "Удаленные",
            "Papperskorgen",
            "Papirkurv",
            "Slettet post",
        ],
    ),
];

/// Levels behind which the usual names are at home, too.
const HOMES: [&str; 3] = ["INBOX/", "[Gmail]/", "[Google Mail]/"];

static FOLDED: LazyLock<HashMap<String, SpecialUse>> = LazyLock::new(|| table(fold));
static EXACT: LazyLock<HashMap<String, SpecialUse>> = LazyLock::new(|| table(str::to_owned));

fn table(spell: fn(&str) -> String) -> HashMap<String, SpecialUse> {
    let names = USUAL.iter().flat_map(|(uses, names)| names.iter().map(move |name| (*name, *uses)));
    let everywhere = names.flat_map(|(name, uses)| {
        let at_home = HOMES.map(|home| format!("{home}{name}"));
        at_home.into_iter().chain([name.to_owned()]).map(move |name| (name, uses))
    });
    everywhere.map(|(name, uses)| (spell(&name), uses)).collect()
}

/// The use of a mailbox by its usual name, folded.
pub(super) fn of_folded(name: &str) -> SpecialUse {
    FOLDED.get(name).copied().unwrap_or_default()
}

impl SpecialUse {
    /// What mailboxes of that name are usually for, however it is spelled.
    #[must_use]
    pub fn usual(name: &str) -> Self {
        of_folded(&fold(name))
    }
}

/// The use of a mailbox by its usual name as it is.
pub(super) fn of_exact(name: &str) -> SpecialUse {
    EXACT.get(name).copied().unwrap_or_default()
}

/// Does a usual name of one of these uses lie below that folded name?
pub(super) fn is_usual_below(name: &str, uses: SpecialUse) -> bool {
    FOLDED
        .iter()
        .any(|(usual, of)| of.intersects(uses) && usual.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
}

/// Where Gmail keeps what shows the same mail again. Elsewhere a mailbox called Important is one like others, unless LIST
/// says that it is not.
const GMAIL: [&str; 2] = ["[gmail]", "[google mail]"];

/// Is that folded name one that shows the same mail again?
pub(super) fn is_aggregate(name: &str) -> bool {
    let at_gmail = name.split_once('/').is_some_and(|(top, _)| GMAIL.contains(&top));
    at_gmail && of_folded(name).intersects(SpecialUse::AGGREGATES)
}

/// Could such a name lie below that folded name?
pub(super) fn is_above_aggregates(name: &str) -> bool {
    GMAIL.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names() {
        let rows = [
            ("English", "Deleted Items", SpecialUse::TRASH),
            ("Gmail", "[Gmail]/Bin", SpecialUse::TRASH),
            ("German Gmail", "[Google Mail]/Papierkorb", SpecialUse::TRASH),
            ("below INBOX", "INBOX/Sent", SpecialUse::SENT),
            ("all mail", "[Gmail]/All Mail", SpecialUse::ALL),
            ("elsewhere", "Projects/Sent", SpecialUse::NONE),
            ("a mailbox like others", "Projects", SpecialUse::NONE),
        ];
        for (name, mailbox, want) in rows {
            assert_eq!(of_exact(mailbox), want, "{name}");
            assert_eq!(of_folded(&fold(&mailbox.to_uppercase())), want, "{name}, folded");
        }
        assert_eq!(of_exact("trash"), SpecialUse::NONE, "what spares is compared exactly");
        assert!(is_usual_below("[gmail]", SpecialUse::TRASH));
        assert!(!is_usual_below("[gmail]/bin", SpecialUse::TRASH) && !is_usual_below("x", SpecialUse::TRASH));
    }

    #[test]
    fn what_shows_the_same_mail_again() {
        assert!(is_aggregate("[gmail]/all mail") && is_aggregate("[google mail]/markiert"));
        assert!(!is_aggregate("[gmail]/bin") && !is_aggregate("important") && !is_aggregate("all mail"));
        assert!(is_above_aggregates("[gmail]") && !is_above_aggregates("inbox"));
    }

    #[test]
    fn no_name_is_of_two_uses() {
        let names: Vec<String> = USUAL.iter().flat_map(|(_, names)| names.iter().map(|name| fold(name))).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names.iter().skip(at + 1).any(|other| other == name), "{name}");
        }
    }
}
