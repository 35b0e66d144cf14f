//! Which field of a secret a property is likely to take: a proposal, by names alone.

use std::collections::BTreeSet;

/// What the fields of a database secret tell beside its credentials, and no rotation changes (AWS, "JSON structure
/// of Secrets Manager secrets").
const LASTING: [&str; 8] =
    ["engine", "host", "port", "dbname", "dbInstanceIdentifier", "dbClusterIdentifier", "masterarn", "ssl"];
/// Words for one thing; the first stands for all.
const ALIKE: [&[&str]; 4] = [
    &["username", "user", "login", "usr"],
    &["password", "pass", "pwd", "passwd"],
    &["host", "hostname", "server"],
    &["dbname", "database", "db", "schema"],
];

/// Pairs to propose.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proposal {
    /// `db.password=password` and so on.
    pub(super) pairs: Vec<String>,
    /// Properties that no field, or more than one, seems to be for.
    pub(super) left: Vec<String>,
}

impl Proposal {
    /// For the properties that an application has.
    pub(super) fn of(properties: &BTreeSet<String>, fields: &BTreeSet<String>) -> Self {
        let mut proposal = Self::default();
        for property in properties {
            let mut fitting = fields.iter().filter(|field| is_alike(property, field));
            match (fitting.next(), fitting.next()) {
                (Some(field), None) if can_be_asked_for(property, field) => {
                    proposal.pairs.push(format!("{property}={field}"));
                }
                _ => proposal.left.push(property.clone()),
            }
        }
        proposal
    }

    /// For an application whose properties are not known: each field that may rotate, under its own name.
    pub(super) fn of_fields(fields: &BTreeSet<String>) -> Self {
        let may_rotate = fields.iter().filter(|field| !LASTING.contains(&field.as_str()));
        let named = may_rotate.filter(|field| can_be_asked_for(field, field));
        Self { pairs: named.map(|field| format!("{field}={field}")).collect(), left: Vec::new() }
    }
}

/// Whether a line of pairs can say it.
fn can_be_asked_for(property: &str, field: &str) -> bool {
    !property.contains(|c: char| c.is_whitespace() || c == '=') && !field.contains(char::is_whitespace)
}

/// `db.password` and `password`, `dbUser` and `username`.
fn is_alike(property: &str, field: &str) -> bool {
    let field = joined(field);
    let field = meaning(&field);
    let last = property.rsplit(['.', ':', '/']).next().unwrap_or(property);
    let word = words(last).pop().unwrap_or_default();
    meaning(&joined(property)) == field || meaning(&joined(last)) == field || meaning(&word) == field
}

fn joined(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// `dbUser_name` is `db`, `user`, `name`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        let begins = lower && c.is_ascii_uppercase();
        if begins || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        lower = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn meaning(word: &str) -> &str {
    ALIKE.iter().find(|group| group.contains(&word)).map_or(word, |group| group[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn properties_find_their_fields_by_name() {
        let fields = set(&["username", "password", "host", "port", "apiKey"]);
        for (property, field) in [
            ("db.user", Some("username")),
            ("db.password", Some("password")),
            ("dbPassword", Some("password")),
            ("secure::db.pwd", Some("password")),
            ("DB_USER_NAME", None),
            ("db.user_name", Some("username")),
            ("orders.api_key", Some("apiKey")),
            ("password", Some("password")),
            ("mail.from", None),
        ] {
            let proposal = Proposal::of(&set(&[property]), &fields);
            let expected: Vec<String> =
                field.map(|field| format!("{property}={field}")).into_iter().collect();
            assert_eq!(proposal.pairs, expected, "{property}");
            assert_eq!(proposal.left.len(), usize::from(field.is_none()), "{property}");
        }
        let two = Proposal::of(&set(&["db.password"]), &set(&["password", "passwd"]));
        assert_eq!(two.left, ["db.password"], "nobody can tell which");
    }

    #[test]
    fn of_a_database_secret_the_credentials_are_proposed() {
        let fields = set(&["engine", "host", "port", "dbname", "username", "password", "two words"]);
        assert_eq!(Proposal::of_fields(&fields).pairs, ["password=password", "username=username"]);
    }
}
