//! `${NAME}` and `${NAME:-default}` inside the scalars of a document.
//!
//! Guarantees: it happens to what the parser gives, so a variable can change no structure; `$$` is a literal `$`
//! (Mule's own `${...}` is written `$${...}`); everything that is missing is reported at once; no
//! message holds a variable's value. Keys are left as they are.

use super::decode::{Findings, Path};
use super::document::MAX_BYTES;
use super::problem::Place;

/// Looks an environment variable up.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A reference that could not be filled in. It is kept rather than reported: where a credential belongs there is a
/// better thing to say.
pub(super) struct Unfilled {
    pub(super) at: Place,
    pub(super) path: Path,
    pub(super) message: String,
}

/// Reports what no other problem at the same place explains better.
pub(super) fn report(mut unfilled: Vec<Unfilled>, findings: &Findings) {
    unfilled.retain(|one| !findings.refused_at(one.at));
    for Unfilled { at, path, message } in unfilled {
        findings.refuse(at, &path, message);
    }
}

/// Fills scalars in, those of one document.
pub(super) struct Filler<'a> {
    environment: &'a Environment<'a>,
    /// Bytes that variables may still add, over the whole document.
    room: usize,
}

impl<'a> Filler<'a> {
    pub(super) fn new(environment: &'a Environment<'a>) -> Self {
        Self { environment, room: MAX_BYTES }
    }

    /// `written` with the environment filled in, or everything that is wrong with it.
    pub(super) fn expand(&mut self, written: &str) -> Result<String, Vec<String>> {
        let mut value = String::with_capacity(written.len());
        let mut wrong = Vec::new();
        let mut rest = written;
        while let Some(dollar) = rest.find('$') {
            value.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                value.push('$');
                rest = after;
            } else if let Some((inside, after)) =
                rest.strip_prefix('{').and_then(|inside| inside.split_once('}'))
            {
                match self.lookup(inside) {
                    Ok(text) => value.push_str(&text),
                    Err(message) => wrong.push(message),
                }
                rest = after;
            } else if rest.starts_with('{') {
                wrong.push("`${` has no closing `}`; write `$$` for a literal `$`".to_owned());
                rest = "";
            } else {
                wrong.push(
                    "a single `$`; write `${NAME}` for an environment variable or `$$` for a literal `$`"
                        .to_owned(),
                );
            }
        }
        value.push_str(rest);
        if wrong.is_empty() { Ok(value) } else { Err(wrong) }
    }

    fn lookup(&mut self, inside: &str) -> Result<String, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_variable_name(name) {
            return Err("`${...}` takes the name of an environment variable, as in `${NAME}` or \
                        `${NAME:-default}`; write `$$` for a literal `$`"
                .to_owned());
        }
        let value = match ((self.environment)(name), default) {
            // As in a shell, `:-` covers an empty variable too.
            (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
            (Some(value), _) => value,
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                return Err(format!(
                    "environment variable {name} is not set; set it, or write `${{{name}:-default}}`"
                ));
            }
        };
        let Some(room) = self.room.checked_sub(value.len()) else {
            return Err(format!("environment variable {name} makes the configuration larger than 64MiB"));
        };
        self.room = room;
        Ok(value)
    }
}

/// Whether `text` can name an environment variable in every shell (POSIX: letters, digits and `_`,
/// not starting with a digit).
pub(super) fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(written: &str) -> Result<String, Vec<String>> {
        let environment = |name: &str| match name {
            "HOST" => Some("eu1.example".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".to_owned()),
            "HUGE" => Some("x".repeat(MAX_BYTES)),
            _ => None,
        };
        Filler::new(&environment).expand(written)
    }

    #[test]
    fn variables_defaults_and_dollars_are_filled_in() {
        for (written, value) in [
            ("plain", "plain"),
            ("https://${HOST}/x", "https://eu1.example/x"),
            ("${GONE:-a}${HOST:-b}${EMPTY:-c}${EMPTY}", "aeu1.examplec"),
            ("${GONE:-}", ""),
            ("$${db.password}", "${db.password}"),
            ("a$$b$$$$", "a$b$$"),
            ("ü${HOST}ü", "üeu1.exampleü"),
        ] {
            assert_eq!(expand(written).as_deref(), Ok(value), "{written}");
        }
    }

    #[test]
    fn what_a_variable_holds_is_not_expanded_again() {
        assert_eq!(expand("${NESTED}").as_deref(), Ok("${HOST}"));
    }

    #[test]
    fn everything_missing_in_one_text_is_reported() {
        let wrong = expand("${ONE}-${TWO}-${HOST}").unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("ONE is not set") && wrong[1].contains("TWO is not set"), "{wrong:?}");
    }

    #[test]
    fn other_dollars_say_how_to_write_them() {
        for written in ["$", "$HOME", "a$", "${", "${}", "${a b}", "${1X}", "${X:?no}", "${X-d}"] {
            let wrong = expand(written).unwrap_err();
            assert!(wrong.iter().all(|message| message.contains("`$$`")), "{written}: {wrong:?}");
        }
    }

    #[test]
    fn variables_cannot_make_the_document_grow_without_bound() {
        assert!(expand("${HUGE}").is_ok());
        assert!(expand("${HUGE}${HUGE}").unwrap_err()[0].contains("larger than 64MiB"));
    }
}
