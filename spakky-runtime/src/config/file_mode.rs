//! Who may read and write a database file.

use std::fmt;

/// The permissions of a file, as Unix has them: `0600` for its owner alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileMode(u32);

impl FileMode {
    pub(crate) fn new(bits: u32) -> Self {
        FileMode(bits)
    }

    /// Octal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("0o");
        let is_octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        u32::from_str_radix(text, 8).ok().filter(|_| is_octal).map(FileMode)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// What is wrong with it, if anything is.
    pub(super) fn problem(self) -> Option<String> {
        let is_good = self.0 <= 0o777 && self.0 & 0o600 == 0o600;
        let problem = format!("`file_mode` must be between 0600 and 0777, with both rights of the owner, found {self}");
        (!is_good).then_some(problem)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}
