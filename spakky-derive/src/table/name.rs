//! The names of constraints and indexes: `uq_customers_email`.
//!
//! They are stable, and fit PostgreSQL's 63 bytes: a longer one is cut and ends in a hash of the whole.

use crate::syntax::case::screaming_snake;

/// The longest name that PostgreSQL takes without cutting it itself.
pub(crate) const MAX_LEN: usize = 63;

pub(crate) fn primary_key_name(table: &str) -> String {
    cut(format!("pk_{table}"))
}

/// `<kind>_<table>_<parts>`.
pub(crate) fn constraint_name(kind: &str, table: &str, parts: &[String]) -> String {
    cut(format!("{kind}_{table}_{}", parts.join("_")))
}

/// The name of the constant that holds a constraint's name: `UQ_EMAIL`.
pub(crate) fn constant_name(kind: &str, name: Option<&str>, fields: &[String]) -> String {
    let kind = kind.to_uppercase();
    let Some(name) = name else {
        return format!("{kind}_{}", fields.join("_").to_uppercase());
    };
    let name: String = name.chars().map(|char| if char.is_alphanumeric() { char } else { '_' }).collect();
    let name = screaming_snake(&name);
    let rest = name.strip_prefix(&format!("{kind}_")).unwrap_or(&name);
    format!("{kind}_{rest}")
}

fn cut(name: String) -> String {
    if name.len() <= MAX_LEN {
        return name;
    }
    let suffix = format!("_{:08x}", hash(&name));
    let mut end = MAX_LEN - suffix.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// FNV-1a, because the name must not change with a version of Rust.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_is_kept() {
        assert_eq!(constraint_name("uq", "customers", &["email".into()]), "uq_customers_email");
        assert_eq!(cut("x".repeat(63)), "x".repeat(63));
    }

    #[test]
    fn long_names_are_cut_apart_from_each_other() {
        let (a, b) = (format!("{}a", "é".repeat(40)), format!("{}b", "é".repeat(40)));
        let (a, b) = (cut(a), cut(b));
        assert!(a.len() <= MAX_LEN && b.len() <= MAX_LEN);
        assert_ne!(a, b);
    }

    #[test]
    fn a_constant_is_named_by_fields_or_by_the_given_name() {
        assert_eq!(constant_name("uq", None, &["tenant".into(), "email".into()]), "UQ_TENANT_EMAIL");
        assert_eq!(constant_name("uq", Some("uq_one_email"), &["email".into()]), "UQ_ONE_EMAIL");
        assert_eq!(constant_name("ix", Some("by-date"), &["date".into()]), "IX_BY_DATE");
    }
}
