//! Spans of time as settings spell them: `20ms`, `5s`, `2m`, `1h`, or a number of seconds.

use std::time::Duration;

const UNITS: [(&str, f64); 7] =
    [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// Reads a span; a number without a unit counts seconds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let scale = if unit.is_empty() { 1.0 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    from_seconds(number.parse::<f64>().ok()? * scale)
}

/// A span of so many seconds, to the microsecond.
pub(super) fn from_seconds(seconds: f64) -> Option<Duration> {
    let span = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(span.as_nanos().saturating_add(500) / 1_000).ok().map(Duration::from_micros)
}

/// The shortest exact spelling.
pub(super) fn show(span: Duration) -> String {
    let micros = span.as_micros();
    let units = [(3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    match units.iter().find(|(length, _)| micros > 0 && micros.is_multiple_of(*length)) {
        Some((length, unit)) => format!("{}{unit}", micros / length),
        None => "0s".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, span) in [
            ("20ms", Duration::from_millis(20)),
            ("5s", Duration::from_secs(5)),
            ("5", Duration::from_secs(5)),
            ("1.5s", Duration::from_millis(1_500)),
            ("0.25", Duration::from_millis(250)),
            ("2m", Duration::from_secs(120)),
            ("2 min", Duration::from_secs(120)),
            ("1h", Duration::from_secs(3_600)),
            ("1d", Duration::from_secs(86_400)),
            ("250us", Duration::from_micros(250)),
        ] {
            assert_eq!(parse(text), Some(span), "{text}");
            assert_eq!(parse(&show(span)), Some(span), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "5 parsecs", "-1s", "1e9999999", "5s5s", "..", "99999999999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
