//! The file of a database before SQLite opens it: whether it can be there, and who may read it.

use std::io;
use std::path::Path;

use super::options::{Location, SqliteOptions};
use crate::error::{DatabaseError, ErrorKind};

/// Refuses a file that is not there and is not to be created, and gives the file the permissions that are set. SQLite
/// gives those of the file to its `-wal`, `-shm` and `-journal`.
pub(super) fn prepare(options: &SqliteOptions) -> Result<(), DatabaseError> {
    let Location::File(path) = &options.location else { return Ok(()) };
    let failed = |problem: String| {
        DatabaseError::new(ErrorKind::Config, "", format!("open the database file `{}`: {problem}", path.display()))
    };
    let is_there = path.exists();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    if let (Some(folder), false) = (folder, is_there) {
        return Err(failed(format!("there is no folder `{}`; create it, or mend the path in `url`", folder.display())));
    }
    if !is_there && !options.create {
        return Err(failed("there is no such file; mend the path in `url`".to_owned()));
    }
    match options.file_mode {
        Some(mode) if !options.read_only => {
            permit(path, mode).map_err(|error| failed(format!("its permissions cannot be set: {error}")))
        }
        _ => Ok(()),
    }
}

/// Gives the file and those beside it these permissions; a file that is not there is made with them, so that nobody else can
/// open it in between.
#[cfg(unix)]
fn permit(path: &Path, mode: u32) -> io::Result<()> {
    use std::fs::{OpenOptions, Permissions, metadata, set_permissions};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        // The process may withhold some of them from new files.
        Ok(file) => return file.set_permissions(Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match metadata(&name) {
            Ok(found) if found.permissions().mode() & 0o777 == mode => {}
            Ok(_) => match set_permissions(&name, Permissions::from_mode(mode)) {
                // Another connection has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                set => set?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Validation of the settings has refused them here.
#[cfg(not(unix))]
fn permit(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
