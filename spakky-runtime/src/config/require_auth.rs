//! The ways of signing in that a server may ask for.

use std::fmt;

use super::mode::AuthMethod;

/// Which ways of signing in are used: unless told otherwise all, but for the password itself where the line is not encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequireAuth {
    methods: Vec<AuthMethod>,
    /// All but these.
    is_negated: bool,
}

impl RequireAuth {
    pub(crate) fn of(methods: impl IntoIterator<Item = AuthMethod>) -> Self {
        RequireAuth { methods: methods.into_iter().collect(), is_negated: false }
    }

    /// Words with commas between them, as libpq writes them: `md5,scram-sha-256`, or `!password,!none` for all others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        if words == [""] {
            return Some(RequireAuth::default());
        }
        let is_negated = words.iter().all(|word| word.starts_with('!'));
        let methods = words.into_iter().map(|word| {
            let word = if is_negated { word.strip_prefix('!') } else { Some(word) };
            word.and_then(|word| word.parse().ok())
        });
        Some(RequireAuth { methods: methods.collect::<Option<_>>()?, is_negated })
    }

    /// Whether a server may ask for it.
    pub(crate) fn allows(&self, method: AuthMethod) -> bool {
        self.methods.is_empty() || self.methods.contains(&method) != self.is_negated
    }

    /// Whether it was asked for by name.
    pub(crate) fn names(&self, method: AuthMethod) -> bool {
        !self.is_negated && self.methods.contains(&method)
    }
}

impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, method) in self.methods.iter().enumerate() {
            let (comma, sign) = (if at > 0 { "," } else { "" }, if self.is_negated { "!" } else { "" });
            write!(f, "{comma}{sign}{method}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthMethod::{Md5, None as Trust, Password, ScramSha256};

    fn allowed(text: &str) -> Vec<AuthMethod> {
        let required = RequireAuth::parse(text).unwrap();
        assert_eq!(required.to_string(), text.replace(' ', ""));
        [Trust, Password, Md5, ScramSha256].into_iter().filter(|method| required.allows(*method)).collect()
    }

    #[test]
    fn it_reads_what_libpq_reads() {
        assert_eq!(allowed(""), [Trust, Password, Md5, ScramSha256]);
        assert_eq!(allowed("scram-sha-256"), [ScramSha256]);
        assert_eq!(allowed("md5, scram-sha-256"), [Md5, ScramSha256]);
        assert_eq!(allowed("!password,!none"), [Md5, ScramSha256]);
        for wrong in ["scram", "md5,!none", "!md5,none", "md5,", "!", "gss"] {
            assert_eq!(RequireAuth::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_in_clear_is_named_and_not_only_left_over() {
        let names = |text| RequireAuth::parse(text).unwrap().names(Password);
        assert!(names("password") && names("md5,password"));
        assert!(!names("") && !names("!md5") && !names("!password"));
    }
}
