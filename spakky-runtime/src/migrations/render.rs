//! Changes as statements, each under the words that say what it does.

mod define;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use super::change::Change;
use crate::backend::Backend;
use crate::quote::printable;

/// Statements that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// What they do, and why that may harm.
    pub(crate) comments: Vec<String>,
    /// What must be known besides.
    pub(crate) notes: Vec<String>,
    pub(crate) statements: Vec<String>,
}

/// A change in words, with a mark if it may lose data.
pub(crate) fn comment(change: &Change, backend: Backend, marked: bool) -> String {
    match change.danger(backend).filter(|_| marked) {
        Some(danger) => format!("DESTRUCTIVE: {change}: {danger}"),
        None => change.to_string(),
    }
}

/// The text of a file: blocks with their comments.
pub(crate) fn text(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        if !text.is_empty() {
            text.push('\n');
        }
        for comment in block.comments.iter().chain(&block.notes) {
            // A name may hold anything, a line's end too.
            text.push_str(&format!("-- {}\n", printable(comment)));
        }
        for statement in &block.statements {
            text.push_str(statement);
            text.push_str(";\n");
        }
    }
    text
}
