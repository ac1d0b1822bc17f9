//! Names that tell when and by which process a test database was made, so that leftovers are known.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// How every name begins.
pub(super) const PREFIX: &str = "spakky_test_";

/// The age at which a database of a dead process is a leftover.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The age at which any database is a leftover: by then the number of a dead process may be that of a living one.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    /// Seconds since 1970.
    made: u64,
    process: u32,
}

/// A new name: letters, digits and underscores, shorter than the 63 bytes of an identifier.
pub(super) fn unique() -> String {
    let random = Uuid::now_v7().as_u128() as u64;
    format!("{PREFIX}{}_{}_{random:016x}", seconds_since_1970(), std::process::id())
}

impl Name {
    /// What this name tells, if it is one of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('_');
        let (made, process, random) = (parts.next()?, parts.next()?, parts.next()?);
        let is_random = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_random && parts.next().is_none())
            .then_some(Name { made: made.parse().ok()?, process: process.parse().ok()? })
    }

    /// Whether nobody will delete it any more.
    pub(super) fn is_leftover(self) -> bool {
        let age = Duration::from_secs(seconds_since_1970().saturating_sub(self.made));
        age > DAY || age > HOUR && is_dead(self.process)
    }
}

/// Whether there is no such process; where that cannot be told, there may be one.
fn is_dead(process: u32) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process.to_string()).exists()
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that no process has: Linux ends at 2^22.
    const NO_PROCESS: u32 = 2_000_000_000;

    fn made(ago: u64, process: u32) -> Name {
        Name { made: seconds_since_1970() - ago, process }
    }

    #[test]
    fn a_new_name_tells_its_process_and_fits_an_identifier() {
        let name = unique();
        assert!(name.len() < 63, "{name}");
        let told = Name::parse(&name).unwrap();
        assert_eq!(told.process, std::process::id());
        assert!(!told.is_leftover());
        assert_ne!(unique(), name);
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "",
            "postgres",
            "spakky_test_",
            "spakky_test_1_2",
            "spakky_test_1_2_x",
            "spakky_test_1_2_0123456789abcdef_x",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_leftover_is_an_hour_old_and_of_a_dead_process() {
        assert!(!made(3_500, NO_PROCESS).is_leftover());
        assert!(made(3_700, NO_PROCESS).is_leftover());
        assert!(!made(3_700, std::process::id()).is_leftover());
    }

    #[test]
    fn after_a_day_everything_is_a_leftover() {
        assert!(made(90_000, std::process::id()).is_leftover());
    }
}
