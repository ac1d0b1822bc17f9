//! "did you mean …?"

/// The longest word that is compared, in bytes. The comparison costs the product of the lengths.
const LONGEST: usize = 80;

/// The candidate closest to what was written, if it is close enough to have been meant. For a long word there is none.
pub(crate) fn closest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    let limit = written.len().max(3) / 3;
    candidates
        .iter()
        .map(|candidate| (distance(&written.to_ascii_lowercase(), candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, replacements and swaps of neighbours lie between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let candidates = ["pool_size", "pool_timeout", "url"];
        assert_eq!(closest("pool_sze", &candidates), Some("pool_size"));
        assert_eq!(closest("POOL_SIZE", &candidates), Some("pool_size"));
        assert_eq!(closest("pool_tiemout", &candidates), Some("pool_timeout"));
        assert_eq!(closest("ulr", &candidates), Some("url"));
        assert_eq!(closest("colour", &candidates), None);
        let long = "long_name".repeat(10);
        assert_eq!(closest(&long, &[&long]), None);
    }
}
