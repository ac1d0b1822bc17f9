//! Moments and how they are written (RFC 3339).

use super::random::Random;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) u64);

/// The time at which orders come in.
pub(super) struct Clock(u64);

impl Clock {
    /// Seven in the morning of 2 January 2025, UTC.
    pub(super) fn start() -> Self {
        Clock(1_735_801_200_000)
    }

    /// When the next order comes in: some minutes later, and not at night.
    pub(super) fn next_order(&mut self, random: &mut Random) -> Moment {
        self.0 += 20_000 + random.below(90 * 60_000) as u64;
        let hour = self.0 % DAY / HOUR;
        if hour < 6 {
            self.0 += (6 - hour) * HOUR;
        }
        Moment(self.0)
    }
}

impl Moment {
    /// The moment as written by a clock this many minutes ahead of UTC.
    pub(super) fn rfc3339(self, ahead: i64) -> String {
        let local = self.0.saturating_add_signed(ahead * 60_000);
        let (year, month, day) = date(local / DAY);
        let (seconds, millis) = (local % DAY / 1_000, local % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let zone = match ahead {
            0 => "Z".to_owned(),
            _ => format!("{}{:02}:{:02}", if ahead < 0 { '-' } else { '+' }, ahead.abs() / 60, ahead.abs() % 60),
        };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}{zone}")
    }
}

/// Year, month and day of a number of days since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_any_zone() {
        assert_eq!(Moment(1_735_801_200_000).rfc3339(0), "2025-01-02T07:00:00.000Z");
        assert_eq!(Moment(1_709_251_199_999).rfc3339(60), "2024-03-01T00:59:59.999+01:00");
        assert_eq!(Moment(1_709_164_800_000).rfc3339(-330), "2024-02-28T18:30:00.000-05:30");
        assert_eq!(Moment(951_782_400_000).rfc3339(0), "2000-02-29T00:00:00.000Z");
    }
}
