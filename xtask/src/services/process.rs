//! The process of a server, from the file with its id that the server keeps.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program;

/// The id of a server's process, if it is alive.
///
/// The file outlives a server that was killed, and its process id may belong to anything by now. So the process must be
/// there and its command line must name `home`; otherwise nothing is signalled.
pub(super) fn alive(file: &Path, home: &Path) -> Option<u32> {
    let process = fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()?;
    command_line(process)?.contains(home.to_str()?).then_some(process)
}

/// The command line of a process; a dead one that nobody has waited for has none.
fn command_line(process: u32) -> Option<String> {
    if Path::new("/proc/self/cmdline").exists() {
        return fs::read(format!("/proc/{process}/cmdline"))
            .ok()
            .map(|line| String::from_utf8_lossy(&line).into_owned());
    }
    program::quiet(Command::new("ps").args(["-ww", "-o", "args=", "-p", &process.to_string()])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_name_the_folder_is_not_the_server() {
        let home = std::env::temp_dir().join(format!("spakky-xtask-process-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("pid"), format!("{}\n", std::process::id())).unwrap();
        let found = alive(&home.join("pid"), &home);
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(found, None);
    }

    #[test]
    fn the_command_line_of_this_process_is_known() {
        assert!(command_line(std::process::id()).unwrap().contains("xtask"));
    }
}
