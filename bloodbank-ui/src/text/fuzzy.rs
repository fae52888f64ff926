//! Fuzzy search.

/// How well a name fits what was typed: its letters in their order, the better the closer they are together and the more of
/// them begin a word. `None`: a letter is missing. Case does not matter.
pub(crate) fn score(typed: &str, name: &str) -> Option<i64> {
    let typed: Vec<char> =
        typed.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase).collect();
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let begins = (0..name.len()).filter(|place| typed.first().is_none_or(|first| name[*place] == *first));
    // Each place where the first letter is: the first one is not always the best.
    let best = begins.filter_map(|begin| score_from(&typed, &name, begin)).max();
    if typed.is_empty() { Some(0) } else { best.map(|best| best * 100 - name.len() as i64) }
}

fn score_from(typed: &[char], name: &[char], begin: usize) -> Option<i64> {
    let mut total = 0;
    let mut place = begin;
    let mut last = None;
    for letter in typed {
        place += name[place..].iter().position(|other| other == letter)?;
        let begins_word = place == 0 || !name[place - 1].is_alphanumeric();
        let follows = last.is_some_and(|last| last + 1 == place);
        total += 1 + if begins_word { 3 } else { 0 } + if follows { 4 } else { 0 };
        last = Some(place);
        place += 1;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn letters_in_their_order() {
        assert!(score("oop", "orders.order.placed").is_some());
        assert!(score("poo", "orders.order.placed").is_none());
        assert!(score("OP", "orders.order.placed").is_some() && score("", "x") == Some(0));
    }

    #[test]
    fn what_is_closer_comes_first() {
        let better = |typed: &str, one: &str, other: &str| {
            assert!(score(typed, one) > score(typed, other), "{typed}: {one} before {other}");
        };
        better("placed", "orders.order.placed", "parcels.late.counted");
        better("ship", "orders.order.shipped", "orders.sheet.input");
        better("ord", "orders.order", "orders.order.placed");
    }
}
