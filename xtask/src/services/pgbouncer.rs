//! A private PgBouncer in transaction mode, in front of the PostgreSQL server: few server connections for many clients,
//! so that what does not hold behind a pooler fails.

mod target;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::postgres::Postgres;
use super::{Instance, Release, Service, install, port, process, url_of};
use crate::{Result, program};
use target::Target;

/// The environment variable that tells tests where the pooler is.
const VARIABLE: &str = "SPAKKY_TEST_PGBOUNCER_URL";

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The private PgBouncer.
pub(super) struct PgBouncer {
    pub(super) release: Release,
}

impl PgBouncer {
    /// The server that it is in front of.
    fn server(&self) -> Postgres {
        Postgres { release: self.release }
    }
}

impl Service for PgBouncer {
    fn name(&self) -> &'static str {
        self.release.pooler()
    }

    fn release(&self) -> Release {
        self.release
    }

    fn variable(&self) -> &'static str {
        VARIABLE
    }

    fn running(&self, folder: &Path, earlier: &[Instance]) -> Option<String> {
        process::alive(&folder.join("pid"), folder)?;
        let text = fs::read_to_string(folder.join("pgbouncer.ini")).ok()?;
        let port = text.lines().find_map(|line| line.strip_prefix("listen_port = "))?.parse().ok()?;
        let target = Target::parse(url_of(&self.server(), earlier).ok()?).ok()?;
        (text == settings(folder, port, &target) && port::answers(port)).then(|| url(port))
    }

    fn start(&self, folder: &Path, earlier: &[Instance]) -> Result<String> {
        let target = Target::parse(url_of(&self.server(), earlier)?)?;
        let binary = find_or_install()?;
        let account = Account::for_server(&["postgres", "nobody"])?;
        if let Some(account) = account {
            account.own(folder)?;
        }
        let file = folder.join("pgbouncer.ini");
        let log = folder.join("log");
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = port::free()?;
            fs::write(&file, settings(folder, port, &target))
                .map_err(|error| format!("write `{}`: {error}", file.display()))?;
            if let Some(account) = account {
                account.own(&file)?;
            }
            let mut start = Command::new(&binary);
            start.current_dir(folder).arg("--daemon").arg(&file);
            if let Some(account) = account {
                account.run(&mut start);
            }
            program::quiet(&mut start)?;
            // It listens before it says which process it is; whoever comes next would start another one.
            let is_up = || port::answers(port) && process::alive(&folder.join("pid"), folder).is_some();
            if wait(|| is_up() || said(&log).contains("FATAL")) && !said(&log).contains("FATAL") {
                return Ok(url(port));
            }
            let said = said(&log);
            self.stop(folder)?;
            if attempts == port::ATTEMPTS || !said.contains("cannot listen") {
                return Err(format!("PgBouncer did not start; its log ends with:\n{}", program::tail(&said, 20)).into());
            }
            fs::remove_file(&log)?;
        }
    }

    fn stop(&self, folder: &Path) -> Result<()> {
        let file = folder.join("pid");
        let Some(process) = process::alive(&file, folder) else {
            return Ok(());
        };
        // It may have ended by itself in between.
        let signalled = program::quiet(Command::new("kill").args(["-TERM", &process.to_string()]));
        match wait(|| process::alive(&file, folder).is_none()) {
            true => Ok(()),
            false => signalled.and(Err(format!("PgBouncer (process {process}) does not stop").into())),
        }
    }
}

/// Its settings: any database of the server, as the server's user; two server connections for each.
fn settings(folder: &Path, port: u16, target: &Target) -> String {
    let folder = folder.display();
    format!(
        "[databases]\n\
         * = {target}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = 2\n\
         max_client_conn = 300\n\
         server_tls_sslmode = prefer\n\
         logfile = {folder}/log\n\
         pidfile = {folder}/pid\n"
    )
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// Waits for a condition; answers whether it came true in time.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells when a daemon listens or ends, and no executor is blocked"
)]
fn wait(done: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// The program: on the search path, or where Debian puts it, which is not on everybody's path.
fn find() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/sbin/pgbouncer");
    program::find("pgbouncer").or_else(|| program::is_program(&debian).then_some(debian))
}

fn find_or_install() -> Result<PathBuf> {
    if find().is_none() && install::possible()? {
        install::package("pgbouncer")?;
    }
    find().ok_or_else(|| {
        format!(
            "PgBouncer is not installed; install it (`sudo apt-get install pgbouncer`, `brew install pgbouncer`), \
             or set `{VARIABLE}` to the URL of one in transaction mode in front of the PostgreSQL server"
        )
        .into()
    })
}
