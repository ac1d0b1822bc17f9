//! Settings from the environment and from a TOML file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::DatabaseConfig;
use super::input::Input;
use super::validate::refused;
use crate::error::{Error, ErrorKind};
use crate::suggest::closest;

/// Before each setting's name in the environment.
const PREFIX: &str = "SPAKKY_DB__";

/// Settings by name, each with what the user calls it.
type Given = BTreeMap<String, (String, Input)>;

impl DatabaseConfig {
    /// The settings in the environment: `SPAKKY_DB__URL`, `SPAKKY_DB__POOL_SIZE`, and so on for each of
    /// [`DatabaseConfig::KEYS`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every variable that is no setting or has a value it cannot have.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_env_prefix(PREFIX)
    }

    /// The settings in the environment under another prefix, for a program with several databases.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn from_env_prefix(prefix: &str) -> Result<Self, Error> {
        Self::from_sources(None, prefix, std::env::vars_os())
    }

    /// The defaults for the database whose URL stands in a file, as secrets are handed to a program: whoever lists the
    /// processes of a machine sees the arguments of each. White space around the URL is left out.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file cannot be read or is empty.
    pub fn from_url_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Config, format!("read the database URL in `{}`", path.display())).with_source(error)
        })?;
        if text.trim().is_empty() {
            let message = format!("read the database URL in `{}`: the file is empty", path.display());
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(DatabaseConfig::new(text.trim()))
    }

    /// The settings in a TOML file, in its table `[database]` if it has one (the rest of the file is then the
    /// program's own), else at its top. What the environment sets (`SPAKKY_DB__POOL_SIZE`) wins.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file cannot be read, or with every key that is no setting or has a value it
    /// cannot have.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_sources(Some(path.as_ref()), PREFIX, std::env::vars_os())
    }

    pub(super) fn from_sources(
        file: Option<&Path>,
        prefix: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let config = Self::read_sources(file, prefix, variables)?;
        config.validate()?;
        Ok(config)
    }

    pub(super) fn read_sources(
        file: Option<&Path>,
        prefix: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let mut given = match file {
            Some(path) => read_file(path)?,
            None => Given::new(),
        };
        given.extend(read_variables(prefix, variables, &mut problems));

        let unknown = given.iter().filter(|(key, _)| !Self::KEYS.contains(&key.as_str()));
        problems.extend(unknown.map(|(key, (name, _))| unknown_key(key, name)));
        if !given.contains_key("url") {
            problems.push(match file {
                Some(path) => format!("`url` is missing; set it in `{}` or as `{prefix}URL`", path.display()),
                None => format!("`{prefix}URL` is not set"),
            });
        }
        // In the order of the table: the URL first, since it may hold settings that others override.
        let mut config = DatabaseConfig::new("");
        for key in Self::KEYS {
            if let Some((name, input)) = given.get(*key)
                && let Err(expected) = config.set(key, input)
            {
                let found = if matches!(*key, "url" | "cursor_keys") {
                    String::new()
                } else {
                    format!(", found {}", input.show())
                };
                problems.push(format!("`{name}` must be {expected}{found}"));
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(refused(&problems)) }
    }
}

/// `name` with a suggestion in the user's own spelling.
fn unknown_key(key: &str, name: &str) -> String {
    let Some(suggestion) = closest(key, DatabaseConfig::KEYS) else {
        return format!("`{name}` is not a setting; there are {}", DatabaseConfig::KEYS.join(", "));
    };
    let upper = name.ends_with(&key.to_ascii_uppercase()) && name != key;
    let prefix = name.get(..name.len() - key.len()).unwrap_or_default();
    let suggestion = if upper { suggestion.to_ascii_uppercase() } else { suggestion.to_owned() };
    format!("`{name}` is not a setting; did you mean `{prefix}{suggestion}`?")
}

fn read_file(path: &Path) -> Result<Given, Error> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Config, format!("read the settings in `{shown}`: {error}")).with_source(error)
    })?;
    // The parser's own words quote the line, which may hold the password.
    let mut root = Toml::from_str::<Dict>(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Error::new(ErrorKind::Config, format!("read the settings in `{shown}`: line {line} is not valid TOML"))
    })?;
    let settings = match root.remove("database") {
        None => root,
        Some(Value::Dict(_, table)) => table,
        Some(_) => return Err(refused(&[format!("`database` in `{shown}` must be a table")])),
    };
    Ok(settings.into_iter().map(|(key, value)| (key.clone(), (key, Input::from_value(value)))).collect())
}

fn read_variables(
    prefix: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
    problems: &mut Vec<String>,
) -> Given {
    let mut given = Given::new();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(prefix) else { continue };
        match value.into_string() {
            Ok(value) => {
                given.insert(key.to_ascii_lowercase(), (name.to_owned(), Input::Text(value)));
            }
            Err(_) => problems.push(format!("`{name}` is not UTF-8")),
        }
    }
    given
}
