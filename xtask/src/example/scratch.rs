//! Databases for one run of an example, gone afterwards.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::text_of;
use crate::services::Binaries;
use crate::{Result, program};

/// A folder for a SQLite database.
pub(super) struct ScratchFolder {
    path: PathBuf,
    database: String,
}

impl ScratchFolder {
    /// A new, empty folder below the system's temporary folder.
    pub(super) fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("spakky-example-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("create `{}`: {error}", path.display()))?;
        let database = format!("sqlite://{}", text_of(&path.join("example.db"))?);
        Ok(ScratchFolder { path, database })
    }

    /// The URL of a database in it.
    pub(super) fn sqlite_url(&self) -> String {
        self.database.clone()
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("warning: delete `{}`: {error}", self.path.display());
        }
    }
}

/// A database on a PostgreSQL server.
pub(super) struct ScratchDatabase {
    server: String,
    name: String,
    url: String,
}

impl ScratchDatabase {
    /// A new, empty database on the server of this URL.
    pub(super) fn create(server: &str) -> Result<Self> {
        let name = format!("spakky_example_{}", std::process::id());
        let url = with_database(server, &name)
            .ok_or("the URL of the PostgreSQL server must look like `postgres://user@host:port/database`")?;
        psql(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        psql(server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))?;
        Ok(ScratchDatabase { server: server.to_owned(), name, url })
    }

    /// Its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        if let Err(error) = psql(&self.server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)) {
            eprintln!("warning: drop the database `{}`: {error}", self.name);
        }
    }
}

fn psql(server: &str, statement: &str) -> Result<()> {
    let installed = Binaries::find().map(|binaries| binaries.program("psql")).filter(|file| program::is_program(file));
    let psql = installed.or_else(|| program::find("psql")).ok_or("`psql` is missing; install PostgreSQL's client")?;
    let mut command = Command::new(psql);
    command.args(["--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement]);
    let output = program::output(command.arg("--dbname").arg(server))?;
    if output.status.success() {
        return Ok(());
    }
    // Without the command line, which may hold a password.
    Err(format!("`psql` failed: {}", String::from_utf8_lossy(&output.stderr).trim_end()).into())
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (address, parameters) = match rest.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (rest, String::new()),
    };
    let host = address.split_once('/').map_or(address, |(host, _)| host);
    Some(format!("{scheme}://{host}/{name}{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        let changed = |url| with_database(url, "new").unwrap();
        assert_eq!(changed("postgres://u:p@h:1/old?sslmode=disable"), "postgres://u:p@h:1/new?sslmode=disable");
        assert_eq!(changed("postgresql://h"), "postgresql://h/new");
        assert_eq!(with_database("host=h user=u", "new"), None);
    }
}
