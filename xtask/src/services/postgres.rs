//! A private PostgreSQL: trusting, on a free port of the loopback address, fast because nothing it stores must last.

mod binaries;
mod process;

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Service;
use super::account::Account;
use crate::{Result, program};

pub(crate) use binaries::Binaries;
use process::Postmaster;

/// The environment variable that tells tests where the server is.
const VARIABLE: &str = "SPAKKY_TEST_POSTGRES_URL";

/// How often another port is tried, when somebody else took the free one first.
const ATTEMPTS: usize = 5;

/// The private PostgreSQL.
pub(super) struct Postgres;

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn variable(&self) -> &'static str {
        VARIABLE
    }

    fn running(&self, folder: &Path) -> Option<String> {
        let server = Postmaster::of(&folder.join("data"))?;
        let address = (Ipv4Addr::LOCALHOST, server.port).into();
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
        Some(url(server.port))
    }

    fn start(&self, folder: &Path) -> Result<String> {
        let binaries = Binaries::find_or_install()?;
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
            let port = free_port()?;
            let mut start = command(&binaries, "pg_ctl", folder, account);
            start.args(["start", "--wait", "--timeout=60", "--silent"]).arg("--pgdata").arg(&data);
            start.arg("--log").arg(&log).arg(format!("--options=-p {port}"));
            let Err(error) = program::quiet(&mut start) else {
                return Ok(url(port));
            };
            let said = fs::read_to_string(&log).unwrap_or_default();
            self.stop(folder)?;
            if attempts == ATTEMPTS || !said.contains("could not bind") {
                return Err(format!("{error}\nits log ends with:\n{}", tail(&said, 20)).into());
            }
            fs::remove_file(&log)?;
        }
    }

    fn stop(&self, folder: &Path) -> Result<()> {
        let data = folder.join("data");
        if Postmaster::of(&data).is_none() {
            return Ok(());
        }
        let binaries = Binaries::find().ok_or("the programs of PostgreSQL are gone, and its server is running")?;
        let account = Account::for_server(&["postgres", "nobody"])?;
        // Its data is deleted next, so there is nothing to save.
        let mut stop = command(&binaries, "pg_ctl", folder, account);
        stop.args(["stop", "--mode=immediate", "--wait", "--timeout=60", "--silent", "--pgdata"]).arg(&data);
        match program::quiet(&mut stop) {
            Err(error) if Postmaster::of(&data).is_some() => Err(error),
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

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn tail(text: &str, lines: usize) -> String {
    let all = text.lines().collect::<Vec<_>>();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_too_long_for_sockets_has_none() {
        assert_eq!(socket_folder(Path::new("/tmp/it's")), "/tmp/it''s");
        assert_eq!(socket_folder(Path::new(&format!("/tmp/{}", "x".repeat(100)))), "");
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
    }
}
