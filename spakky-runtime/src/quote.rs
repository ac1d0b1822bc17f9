//! Other people's words in messages: what a request, a file's name or a stored value says, as one line that does nothing to
//! a log or a terminal.

use std::borrow::Cow;

/// How many characters of somebody's words a message shows.
const SHOWN: usize = 100;

/// Somebody's words for a message: their beginning, if they are long.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", printable(&text[..end]))),
        None => printable(text),
    }
}

/// The text with escapes in place of what would begin another line, move a terminal's cursor or turn the direction of
/// writing.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            _ if !is_command(character) => line.push(character),
            '\n' | '\r' | '\t' => line.extend(character.escape_default()),
            _ => line.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(line)
}

/// Whether a character is none to be seen, but tells whoever shows it what to do.
fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_begin_another_line_or_command_a_terminal_is_escaped() {
        for (text, expected) in [
            ("status", "status"),
            ("größer `als` \\ \"7\"", "größer `als` \\ \"7\""),
            ("a\nERROR forged\r\n", "a\\nERROR forged\\r\\n"),
            ("\u{1b}[31m\0\t\u{9b}", "\\u{1b}[31m\\u{0}\\t\\u{9b}"),
            ("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(shown(&"é".repeat(100)), "é".repeat(100));
        assert_eq!(shown(&"\n".repeat(101)), format!("{}…", "\\n".repeat(100)));
    }
}
