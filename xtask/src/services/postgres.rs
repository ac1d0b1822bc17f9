//! A private PostgreSQL: trusting, on a free port of the loopback address, fast because nothing it stores must last.

mod binaries;
mod package;

use std::fs;
use std::path::Path;
use std::process::Command;

use super::account::Account;
use super::{Instance, Release, Service, port, process};
use crate::{Result, program};

pub(crate) use binaries::Binaries;
pub(super) use package::PACKAGE;

/// The environment variable that tells tests where the server is.
const VARIABLE: &str = "SPAKKY_TEST_POSTGRES_URL";

/// The private PostgreSQL.
pub(super) struct Postgres {
    pub(super) release: Release,
}

impl Service for Postgres {
    fn name(&self) -> &'static str {
        self.release.server()
    }

    fn release(&self) -> Release {
        self.release
    }

    fn variable(&self) -> &'static str {
        VARIABLE
    }

    fn running(&self, folder: &Path, _earlier: &[Instance]) -> Option<String> {
        let port = listening(&folder.join("data"))?;
        port::answers(port).then(|| url(port))
    }

    fn start(&self, folder: &Path, _earlier: &[Instance]) -> Result<String> {
        let binaries = Binaries::of_or_install(self.release)?;
        let account = Account::for_server(&["postgres", "nobody"])?;
        if let Some(account) = account {
            account.own(folder)?;
        }
        let data = folder.join("data");
        let mut initdb = command(&binaries, "initdb", folder, account);
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"]);
        program::quiet(initdb.arg(&data))?;
        configure(folder, &data)?;

        let log = folder.join("log");
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = port::free()?;
            let mut start = command(&binaries, "pg_ctl", folder, account);
            start.args(["start", "--wait", "--timeout=60", "--silent"]).arg("--pgdata").arg(&data);
            start.arg("--log").arg(&log).arg(format!("--options=-p {port}"));
            let Err(error) = program::quiet(&mut start) else {
                return Ok(url(port));
            };
            let said = fs::read_to_string(&log).unwrap_or_default();
            self.stop(folder)?;
            if attempts == port::ATTEMPTS || !said.contains("could not bind") {
                return Err(format!("{error}\nits log ends with:\n{}", program::tail(&said, 20)).into());
            }
            fs::remove_file(&log)?;
        }
    }

    fn stop(&self, folder: &Path) -> Result<()> {
        let data = folder.join("data");
        if listening(&data).is_none() {
            return Ok(());
        }
        let binaries =
            Binaries::of(self.release).ok_or("the programs of PostgreSQL are gone, and its server is running")?;
        let account = Account::for_server(&["postgres", "nobody"])?;
        // Its data is deleted next, so there is nothing to save.
        let mut stop = command(&binaries, "pg_ctl", folder, account);
        stop.args(["stop", "--mode=immediate", "--wait", "--timeout=60", "--silent", "--pgdata"]).arg(&data);
        match program::quiet(&mut stop) {
            Err(error) if listening(&data).is_some() => Err(error),
            _ => Ok(()),
        }
    }
}

/// A program of PostgreSQL, with nothing of the caller's environment (`PGPORT`, `PGDATA`, a locale that is missing).
fn command(binaries: &Binaries, name: &str, folder: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(binaries.program(name));
    command.current_dir(folder).env_clear().env("LC_ALL", "C").env("HOME", folder);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(account) = account {
        account.run(&mut command);
    }
    command
}

/// Appends our settings, which win over what `initdb` wrote above them.
fn configure(folder: &Path, data: &Path) -> Result<()> {
    let file = data.join("postgresql.conf");
    let mut text = fs::read_to_string(&file).map_err(|error| format!("read `{}`: {error}", file.display()))?;
    text.push_str(&format!(
        "\n# private test server: fast, and gone after use\n\
         listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = '{}'\n\
         max_connections = 300\n\
         fsync = off\n\
         synchronous_commit = off\n\
         full_page_writes = off\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n",
        socket_folder(folder)
    ));
    // Written over, not replaced, so that the file keeps its owner.
    fs::write(&file, text).map_err(|error| format!("write `{}`: {error}", file.display()).into())
}

/// The folder as a setting, or none if a socket's path would be longer than systems allow (104 bytes with its end).
fn socket_folder(folder: &Path) -> String {
    match folder.to_str() {
        Some(path) if path.len() + "/.s.PGSQL.65535".len() < 104 && !path.contains(',') => path.replace('\'', "''"),
        _ => String::new(),
    }
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// The port of this data folder's server, if its process is alive.
fn listening(data: &Path) -> Option<u16> {
    let file = data.join("postmaster.pid");
    process::alive(&file, data)?;
    // process id, data folder, start time, port, …
    fs::read_to_string(file).ok()?.lines().nth(3)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_too_long_for_sockets_has_none() {
        assert_eq!(socket_folder(Path::new("/tmp/it's")), "/tmp/it''s");
        assert_eq!(socket_folder(Path::new(&format!("/tmp/{}", "x".repeat(100)))), "");
    }
}
