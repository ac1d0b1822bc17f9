//! The folder of a checkout's services, and its lock; and the folder of what is kept for all checkouts.
//!
//! It is below the system's temporary folder, where paths are short enough for sockets, and named after the checkout
//! and the user. `SPAKKY_SERVICES_DIR` names another one.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Service;
use super::account;
use crate::{Result, workspace};

const VARIABLE: &str = "SPAKKY_SERVICES_DIR";

/// The folder of programs that were fetched for servers, which all checkouts of a user share. It is there after the call.
pub(super) fn kept() -> Result<PathBuf> {
    let user = account::current_user()?;
    let folder = Folder { path: open_temp(user).join(format!("spakky-{user}-programs")), variable: "TMPDIR" };
    folder.create()?;
    Ok(folder.path)
}

/// The system's temporary folder, as a path that servers can go.
fn open_temp(user: u32) -> PathBuf {
    let temp = std::env::temp_dir();
    let temp = temp.canonicalize().unwrap_or(temp);
    // Servers do not run as root, and must get to their folder nevertheless.
    if user == 0 && !is_open_to_all(&temp) { PathBuf::from("/tmp") } else { temp }
}

/// The folder of a checkout's services.
pub(super) struct Folder {
    path: PathBuf,
    /// The environment variable that moves it.
    variable: &'static str,
}

/// The folder while nobody else changes what is in it.
pub(super) struct Locked<'a> {
    folder: &'a Folder,
    /// Unlocks when it is closed.
    _file: File,
}

impl Folder {
    /// The folder of the checkout that this command was called in. It need not exist.
    pub(super) fn of_checkout() -> Result<Self> {
        if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(format!("`{VARIABLE}` is `{}`; give an absolute path", path.display()).into());
            }
            return Ok(Folder { path, variable: VARIABLE });
        }
        let root = workspace::root();
        let root = root.canonicalize().unwrap_or(root);
        let user = account::current_user()?;
        let name = format!("spakky-{user}-{:016x}", hash(root.as_os_str().as_encoded_bytes()));
        Ok(Folder { path: open_temp(user).join(name), variable: VARIABLE })
    }

    /// The folder of one service.
    pub(super) fn of_service(&self, service: &dyn Service) -> PathBuf {
        self.path.join(service.name())
    }

    /// Makes the folder if needed and keeps everyone else out of it until the answer is dropped.
    pub(super) fn lock(&self) -> Result<Locked<'_>> {
        let lock = self.path.join("lock");
        loop {
            self.create()?;
            let file = match OpenOptions::new().create(true).append(true).open(&lock) {
                Ok(file) => file,
                // Deleted by `down` since it was made.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("open `{}`: {error}", lock.display()).into()),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    eprintln!("waiting for another `cargo xtask` that starts or stops services");
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(format!("lock `{}`: {error}", lock.display()).into()),
            }
            // Whoever held the lock before may have deleted this file: then it no longer guards anything.
            let mine = file.metadata()?.ino();
            if lock.metadata().is_ok_and(|current| current.ino() == mine) {
                return Ok(Locked { folder: self, _file: file });
            }
        }
    }

    /// Gives a service an empty folder of its own.
    pub(super) fn empty(&self, service: &dyn Service) -> Result<()> {
        self.delete(service)?;
        let path = self.of_service(service);
        fs::create_dir(&path).map_err(|error| format!("create `{}`: {error}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// Deletes the folder of a service with all that is in it.
    pub(super) fn delete(&self, service: &dyn Service) -> Result<()> {
        let path = self.of_service(service);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("delete `{}`: {error}", path.display()).into())
            }
            _ => Ok(()),
        }
    }

    fn create(&self) -> Result<()> {
        let (shown, variable) = (self.path.display(), self.variable);
        match fs::create_dir(&self.path) {
            // Servers that do not run as root are let through to their own folder, which is closed to others.
            Ok(()) => fs::set_permissions(&self.path, Permissions::from_mode(0o711))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("create `{shown}`: {error}; name another folder by `{variable}`").into()),
        }
        // Others may write to the temporary folder too: trust only a folder made by us.
        let data = fs::symlink_metadata(&self.path).map_err(|error| format!("look at `{shown}`: {error}"))?;
        if data.is_dir() && data.uid() == account::current_user()? {
            return Ok(());
        }
        Err(format!("`{shown}` is not a folder of yours; delete it, or name another one by `{variable}`").into())
    }
}

impl Locked<'_> {
    /// Deletes the folder, if no service is left in it.
    pub(super) fn delete_if_unused(self) {
        let path: &Path = &self.folder.path;
        let left = fs::read_dir(path).map_or(0, |entries| entries.count());
        if left <= 1 {
            // Still under the lock: whoever waits for it sees that its file is gone and makes a new one.
            let _ = fs::remove_file(path.join("lock"));
            let _ = fs::remove_dir(path);
        }
    }
}

/// Whether every user can get to what is in this folder.
fn is_open_to_all(folder: &Path) -> bool {
    folder.ancestors().all(|part| part.metadata().is_ok_and(|data| data.mode() & 0o001 != 0))
}

/// FNV-1a: the same for one path with every compiler, unlike the standard library's hashers.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
