//! A command for an application: `diff`, `up`, `down`, `status`.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use super::diff::DiffOptions;
use super::migrator::Migrator;
use super::status::MigrationState;
use super::write::WriteOptions;
use crate::config::DatabaseConfig;
use crate::error::{Error, ErrorKind};
use crate::quote::printable;
use crate::schema::SchemaRegistry;
use crate::session::SessionManager;

/// Migrates a database to the tables of the program.
#[derive(Debug, Clone, Parser)]
#[command(name = "migrations", disable_version_flag = true)]
pub struct Command {
    /// The database; without it, the settings of the environment (`SPAKKY_DB__URL` and so on). Whoever lists the processes
    /// sees it: a password is better in a file or the environment.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<SecretString>,
    /// A file with the URL of the database in it.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "url")]
    url_file: Option<PathBuf>,
    /// The folder of the migrations.
    #[arg(long, global = true, value_name = "FOLDER", default_value = "migrations")]
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Shows what separates the database from the tables of the program, and writes it as a migration.
    Diff(DiffArgs),
    /// Runs every migration that has not run.
    Up {
        /// Takes the files of migrations that have run as they are now, although they were changed.
        #[arg(long)]
        accept_changed: bool,
    },
    /// Takes the last migrations back.
    Down {
        /// How many.
        #[arg(default_value_t = 1)]
        count: usize,
    },
    /// Shows what has run.
    Status,
}

#[derive(Debug, Clone, Args)]
struct DiffArgs {
    /// Writes a migration of this name; without it, the statements are only shown.
    #[arg(long)]
    name: Option<String>,
    /// Fails when there is a difference, and writes nothing: for a test.
    #[arg(long, conflicts_with = "name")]
    check: bool,
    /// Writes steps too that may lose data.
    #[arg(long)]
    allow_destructive: bool,
    /// Drops tables that the program does not have.
    #[arg(long)]
    drop_unknown: bool,
    /// Leaves a table alone; may be given several times.
    #[arg(long, value_name = "TABLE")]
    ignore: Vec<String>,
}

impl Command {
    /// The command as it was given to the program.
    ///
    /// # Errors
    /// Clap's own message, which is the help text if that was asked for.
    pub fn from_args<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args).map_err(without_urls)
    }

    /// Runs the command and writes what it has to say to `output`. Answers whether all is well: `false` where
    /// `diff --check` found a difference.
    ///
    /// # Errors
    /// As the function behind each: [`SchemaRegistry::diff`], [`SchemaDiff::write`](super::SchemaDiff::write),
    /// [`Migrator`].
    ///
    /// # Cancellation
    /// As for the function behind each.
    pub async fn run(self, registry: &SchemaRegistry, output: &mut (dyn Write + Send)) -> Result<bool, Error> {
        let config = match (self.url, self.url_file) {
            (Some(url), _) => DatabaseConfig::new(url),
            (None, Some(file)) => DatabaseConfig::from_url_file(file)?,
            (None, None) => DatabaseConfig::from_env()?,
        };
        let mut lines = Vec::new();
        let config = match (&self.action, config.missing_file()) {
            // What is to be made comes with `up`.
            (Action::Diff(_), Some(file)) => {
                lines.push(format!(
                    "there is no `{}` yet; an empty database differs by this",
                    printable(&file.display().to_string())
                ));
                config.with_url("sqlite::memory:")
            }
            (Action::Down { .. } | Action::Status, Some(file)) => {
                let message = format!("open the database file `{}`: there is no such file", file.display());
                return Err(Error::new(ErrorKind::Config, message));
            }
            _ => config,
        };
        let sessions = SessionManager::from_config(config).await?;
        let result = match self.action {
            Action::Diff(args) => diff(args, &sessions, &self.dir, registry, &mut lines).await,
            Action::Up { accept_changed } => {
                let migrator = Migrator::from_dir(&self.dir)?;
                let migrator = if accept_changed { migrator.accept_changed() } else { migrator };
                let done = migrator.up(&sessions).await?;
                lines.extend(done.iter().map(|name| format!("ran {}", printable(name))));
                if done.is_empty() {
                    lines.push("nothing to run".to_owned());
                }
                Ok(true)
            }
            Action::Down { count } => {
                let done = Migrator::from_dir(&self.dir)?.down(&sessions, count).await?;
                lines.extend(done.iter().map(|name| format!("took back {}", printable(name))));
                if done.is_empty() {
                    lines.push("nothing to take back".to_owned());
                }
                Ok(true)
            }
            Action::Status => {
                for migration in Migrator::from_dir(&self.dir)?.status(&sessions).await? {
                    let state = match migration.state() {
                        MigrationState::Applied => "applied",
                        MigrationState::Changed => "changed",
                        MigrationState::Pending => "pending",
                        MigrationState::Unknown => "unknown",
                    };
                    lines.push(format!("{state} {}", printable(migration.name())));
                }
                Ok(true)
            }
        };
        for line in lines {
            writeln!(output, "{line}")
                .map_err(|error| Error::new(ErrorKind::Config, "write to the output").with_source(error))?;
        }
        result
    }
}

/// A mistyped command may hold the database's URL where none belongs, and clap quotes what it does not understand.
fn without_urls(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && (text.contains("://") || text.contains('@'))
        {
            error.insert(kind, ContextValue::String("***".to_owned()));
        }
    }
    error
}

async fn diff(
    args: DiffArgs,
    sessions: &SessionManager,
    dir: &std::path::Path,
    registry: &SchemaRegistry,
    lines: &mut Vec<String>,
) -> Result<bool, Error> {
    let mut options = DiffOptions::new();
    if args.drop_unknown {
        options = options.drop_unknown();
    }
    for table in args.ignore {
        options = options.ignore(table);
    }
    let diff = registry.diff_with(sessions, &options).await?;
    lines.push(diff.to_string().trim_end().to_owned());
    if args.check {
        return Ok(diff.is_empty());
    }
    match args.name {
        Some(name) => {
            let mut options = WriteOptions::new();
            if args.allow_destructive {
                options = options.allow_destructive();
            }
            for folder in diff.write(dir, &name, options)? {
                lines.push(format!("wrote {}", folder.display()));
            }
        }
        None if !diff.is_empty() => {
            lines.push(format!("\n{}", diff.up_sql().trim_end()));
            lines.push("\nwrite it with `--name <NAME>`".to_owned());
        }
        None => {}
    }
    Ok(true)
}

/// Runs the command that the program was called with, and answers how the program should end: 0 if all is well, 1 after
/// a failure or a difference found by `diff --check`, 2 for a command that is none.
///
/// ```no_run
/// # use spakky_runtime::{schema, SchemaRegistry};
/// # fn registry() -> SchemaRegistry { schema![] }
/// # async fn example() -> std::process::ExitCode {
/// // In `src/bin/migrations.rs`, as the body of `#[tokio::main] async fn main() -> ExitCode`:
/// spakky_runtime::migrations::run_command(&registry()).await
/// # }
/// ```
pub async fn run_command(registry: &SchemaRegistry) -> ExitCode {
    let command = match Command::from_args(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Help goes to standard output and is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match command.run(registry, &mut std::io::stdout()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "failed to {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error with what lies behind it: the command's user is one who may see the database's own words.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!("\n  because: {inner}"));
        cause = inner.source();
    }
    text
}
