//! One of many: by its number, by its name, or by a part of it.
//!
//! At most [`SHOWN`] are on the screen. A number means what was shown last; a text that nothing listed has counts
//! once it was given twice: lists lag, and may be of another account than the thing.

use super::questions::{Questions, unanswered};

/// Entries on the screen at once.
const SHOWN: usize = 20;
/// Names are put in columns up to this width.
const COLUMN: usize = 48;

/// An entry.
pub(super) struct Item {
    pub(super) name: String,
    /// Finds it as well.
    pub(super) id: String,
    /// Shown beside it.
    pub(super) note: String,
}

/// What was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The entry at this place of the list.
    Listed(usize),
    /// Something that is not in the list.
    Other(String),
}

/// Asks for one of `items`; `option` would have spared the question.
pub(super) fn choose(
    questions: &mut Questions<'_>,
    title: &str,
    question: &str,
    option: &str,
    items: &[Item],
) -> anyhow::Result<Chosen> {
    let mut matching: Vec<usize> = (0..items.len()).collect();
    let mut unlisted = None;
    questions.tell(&format!("{title}:"))?;
    show(questions, items, &matching)?;
    loop {
        let Some(line) = questions.line(&format!("{question}, by number or part of the name"))? else {
            return unanswered(option);
        };
        match pick(items, &matching, &line) {
            Pick::One(place) => {
                questions.tell(&format!("  {}", items[place].name))?;
                return Ok(Chosen::Listed(place));
            }
            Pick::Some(places) => {
                matching = places;
                show(questions, items, &matching)?;
            }
            Pick::None if unlisted.as_ref() == Some(&line) => return Ok(Chosen::Other(line)),
            Pick::None => {
                questions.tell(&format!(
                    "  none of {} has it; give it again to take it all the same",
                    items.len()
                ))?;
                unlisted = Some(line);
            }
            Pick::Nothing => questions.tell("  an answer is needed here")?,
        }
    }
}

enum Pick {
    One(usize),
    Some(Vec<usize>),
    None,
    /// It was no answer.
    Nothing,
}

/// What a line means while `matching` are shown.
fn pick(items: &[Item], matching: &[usize], line: &str) -> Pick {
    if line.is_empty() {
        return if let [only] = matching { Pick::One(*only) } else { Pick::Nothing };
    }
    let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    if let Some(place) = number.and_then(|number| matching.iter().take(SHOWN).nth(number)) {
        return Pick::One(*place);
    }
    let all = |fits: &dyn Fn(&Item) -> bool| -> Vec<usize> {
        items.iter().enumerate().filter(|(_, item)| fits(item)).map(|(place, _)| place).collect()
    };
    let part = line.to_lowercase();
    let named = all(&|item| item.name == line || item.id == line);
    let found = if named.is_empty() { all(&|item| item.name.to_lowercase().contains(&part)) } else { named };
    match found[..] {
        [] => Pick::None,
        [one] => Pick::One(one),
        _ => Pick::Some(found),
    }
}

fn show(questions: &mut Questions<'_>, items: &[Item], matching: &[usize]) -> anyhow::Result<()> {
    let shown: Vec<&Item> = matching.iter().take(SHOWN).filter_map(|place| items.get(*place)).collect();
    let lengths = shown.iter().map(|item| item.name.chars().count());
    let width = lengths.filter(|length| *length <= COLUMN).max().unwrap_or(0);
    for (number, Item { name, note, .. }) in (1..).zip(&shown) {
        questions.tell(format!("  {number:>2}  {name:<width$}  {note}").trim_end())?;
    }
    if shown.len() < items.len() {
        let rest = if shown.len() < matching.len() { "; type part of a name" } else { "" };
        let of = if matching.len() < items.len() { " that have it" } else { "" };
        questions.tell(&format!("  {} of {}{of}{rest}", shown.len(), matching.len()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<Item> {
        let item =
            |name: &&str| Item { name: (*name).to_owned(), id: format!("id-{name}"), note: String::new() };
        names.iter().map(item).collect()
    }

    fn chosen(names: &[&str], lines: &str) -> (Option<Chosen>, String) {
        let (mut asked, mut answers) = (Vec::new(), lines.as_bytes());
        let mut questions = Questions::new(&mut answers, &mut asked);
        let chosen = choose(&mut questions, "Things", "Thing", "--thing", &items(names)).ok();
        (chosen, String::from_utf8(asked).unwrap())
    }

    #[test]
    fn a_number_a_name_an_id_and_a_part_choose() {
        let names = ["orders", "orders-api", "billing"];
        for (lines, place) in [
            ("2\n", 1),
            ("orders\n", 0),
            ("id-billing\n", 2),
            ("BILL\n", 2),
            ("\norder\n2\n", 1),
            ("api\n", 1),
        ] {
            assert_eq!(chosen(&names, lines).0, Some(Chosen::Listed(place)), "{lines:?}");
        }
        assert_eq!(chosen(&["only"], "\n").0, Some(Chosen::Listed(0)));
        assert_eq!(chosen(&["2", "x"], "2\n").0, Some(Chosen::Listed(1)), "a number means what is shown");
        assert_eq!(chosen(&["a-7"], "7\n").0, Some(Chosen::Listed(0)), "none is shown under it");
    }

    #[test]
    fn what_is_not_listed_counts_when_it_is_given_twice() {
        let (none, asked) = chosen(&["a"], "foreign\n");
        assert_eq!(none, None);
        assert!(asked.contains("none of 1 has it; give it again"), "{asked}");
        let other = Some(Chosen::Other("foreign".to_owned()));
        assert_eq!(chosen(&["a"], "foreign\nforeign\n").0, other);
        assert_eq!(chosen(&["a"], "foreing\nforeign\nforeign\n").0, other);
    }

    #[test]
    fn a_long_list_shows_twenty_and_counts_the_rest() {
        let names: Vec<String> = (0..312).map(|number| format!("secret-{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (place, asked) = chosen(&names, "-29\n9\n");
        assert_eq!(place, Some(Chosen::Listed(298)), "{asked}");
        assert!(
            asked.contains("20 of 312; type part of a name") && asked.contains("10 of 10 that have it"),
            "{asked}"
        );
        assert_eq!(asked.matches("secret-").count(), 20 + 10 + 1, "{asked}");
    }
}
