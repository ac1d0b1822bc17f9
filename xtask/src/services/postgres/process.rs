//! The server's process, from the file that it keeps in its data folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program;

/// A server that is alive.
pub(super) struct Postmaster {
    /// The port it listens on.
    pub(super) port: u16,
}

impl Postmaster {
    /// The server of this data folder.
    ///
    /// The file outlives a server that was killed, and its process id may belong to anything by now. So the process
    /// must be there and its command line must name the data folder; otherwise nothing is signalled.
    pub(super) fn of(data: &Path) -> Option<Self> {
        let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let mut lines = file.lines();
        let process = lines.next()?.trim().parse::<u32>().ok()?;
        // process id, data folder, start time, port, …
        let port = lines.nth(2)?.trim().parse().ok()?;
        command_line(process)?.contains(data.to_str()?).then_some(Postmaster { port })
    }
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
    fn a_process_that_does_not_name_the_data_folder_is_not_the_server() {
        let data = std::env::temp_dir().join(format!("spakky-xtask-process-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("postmaster.pid"), format!("{}\n{}\n0\n5432\n", std::process::id(), data.display()))
            .unwrap();
        let found = Postmaster::of(&data);
        fs::remove_dir_all(&data).unwrap();
        assert!(found.is_none());
    }

    #[test]
    fn the_command_line_of_this_process_is_known() {
        assert!(command_line(std::process::id()).unwrap().contains("xtask"));
    }
}
