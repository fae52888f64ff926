//! The names of components.

use std::collections::BTreeSet;

/// Gives each component a name of its own.
///
/// A generator of clients spells names as its language has them: `a.b_c`, `a.b.c` and `ABC` become one class. Names that differ
/// only so count as equal.
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn reserving(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self(names.into_iter().map(folded).collect())
    }

    /// The name itself, where no other has it; otherwise it ends in a number. The same names in the same order get the same
    /// numbers.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let numbered = (2_usize..).map(|number| format!("{name}_{number}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        candidates.find(|candidate| self.0.insert(folded(candidate))).expect("numbers do not end")
    }

    /// The name itself, unless another has it.
    pub(super) fn unless_taken(&mut self, name: &str) -> Option<String> {
        self.0.insert(folded(name)).then(|| name.to_owned())
    }
}

/// What is left of a name in any spelling.
fn folded(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The name of the component for an event: its routing key without the braces of placeholders.
pub(super) fn of_key(key: &str) -> String {
    key.replace(['{', '}'], "")
}

/// A name of a definition in the letters that the name of a component may have.
pub(super) fn of_definition(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

/// The name as that of a type: `llm.prompt` is `LlmPrompt`.
pub(super) fn type_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_generators_spell_alike_have_different_names() {
        let mut names = Names::reserving(["Problem"]);
        let keys = ["a.b.c", "a.b_c", "a.{b}.c", "problem"];
        let given: Vec<_> = keys.iter().map(|key| names.unique(&of_key(key))).collect();
        assert_eq!(given, ["a.b.c", "a.b_c_2", "a.b.c_3", "problem_2"]);
        let types: BTreeSet<_> = given.iter().map(|name| type_name(name)).collect();
        assert_eq!(types.len(), keys.len(), "{types:?}");
        assert_eq!(names.unless_taken("ABC"), None);
    }
}
