//! Letter case of names.

use crate::keys::Keys;

/// The words of a Rust name: `HTTPRequestLine` is `http`, `request`, `line`.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (position, &char) in chars.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| chars.get(before)).copied();
        let after = chars.get(position + 1).copied();
        let starts = char.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(char::is_lowercase));
        if (starts || char == '_') && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), char != '_') {
            word.extend(char.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `snake_case`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// `SCREAMING_SNAKE_CASE`.
pub(crate) fn screaming_snake(name: &str) -> String {
    snake(name).to_uppercase()
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// A rule of `rename_all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    pub(crate) fn apply(self, name: &str) -> String {
        let words = words(name);
        match self {
            Case::Lower => words.concat(),
            Case::Upper => words.concat().to_uppercase(),
            Case::Pascal => words.iter().map(|word| capitalized(word)).collect(),
            Case::Camel => {
                let (first, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
                std::iter::once(first.to_owned()).chain(rest.iter().map(|word| capitalized(word))).collect()
            }
            Case::Snake => words.join("_"),
            Case::ScreamingSnake => words.join("_").to_uppercase(),
            Case::Kebab => words.join("-"),
            Case::ScreamingKebab => words.join("-").to_uppercase(),
        }
    }
}

impl Keys for Case {
    const ATTRIBUTE: &'static str = "rename_all";
    const PLACE: &'static str = "a type";
    const NAMES: &'static [&'static str] = &[
        "lowercase",
        "UPPERCASE",
        "PascalCase",
        "camelCase",
        "snake_case",
        "SCREAMING_SNAKE_CASE",
        "kebab-case",
        "SCREAMING-KEBAB-CASE",
    ];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Case::Lower,
            "UPPERCASE" => Case::Upper,
            "PascalCase" => Case::Pascal,
            "camelCase" => Case::Camel,
            "snake_case" => Case::Snake,
            "SCREAMING_SNAKE_CASE" => Case::ScreamingSnake,
            "kebab-case" => Case::Kebab,
            "SCREAMING-KEBAB-CASE" => Case::ScreamingKebab,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_where_a_reader_would() {
        assert_eq!(snake("OrderLine"), "order_line");
        assert_eq!(snake("HTTPRequest"), "http_request");
        assert_eq!(snake("Order2Line"), "order2_line");
        assert_eq!(snake("order_line"), "order_line");
        assert_eq!(snake("A"), "a");
        assert_eq!(snake("Äpfel"), "äpfel");
    }

    #[test]
    fn every_rule_is_applied_word_by_word() {
        let expected = [
            "orderpaid",
            "ORDERPAID",
            "OrderPaid",
            "orderPaid",
            "order_paid",
            "ORDER_PAID",
            "order-paid",
            "ORDER-PAID",
        ];
        for (name, expected) in Case::NAMES.iter().zip(expected) {
            assert_eq!(Case::from_name(name).map(|case| case.apply("OrderPaid")).as_deref(), Some(expected));
        }
    }
}
