//! A folder with a SQLite database in it: the database is a file and its journals.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::name::{self, Name};
use super::tell;
use crate::error::{Error, ErrorKind};

/// Whether this process has looked for leftovers.
static SWEPT: AtomicBool = AtomicBool::new(false);

/// A folder that is deleted with all that is in it when this is dropped.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder below this one.
    pub(super) fn create(parent: &Path) -> Result<Self, Error> {
        if !SWEPT.swap(true, Ordering::Relaxed) {
            sweep(parent);
        }
        let path = parent.join(name::unique());
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| {
            let message = format!("create the folder `{}` for a test database", path.display());
            Error::new(ErrorKind::Config, message).with_source(error)
        })?;
        Ok(Folder { path })
    }

    /// The URL of the database in it.
    pub(super) fn url(&self) -> Result<String, Error> {
        let file = self.path.join("test.db");
        file.to_str().map(|file| format!("sqlite://{file}")).ok_or_else(|| {
            let message = format!("name a test database: the path `{}` is not UTF-8", file.display());
            Error::new(ErrorKind::Config, message)
        })
    }
}

impl Folder {
    /// Deletes it, unless that was done before.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("delete the folder `{}` of a test database", self.path.display());
                Err(Error::new(ErrorKind::Config, message).with_source(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tell(&error);
        }
    }
}

/// Deletes what dead processes left. Whatever fails is for the next process to try.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(Name::parse).is_some_and(Name::is_leftover) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_until_it_is_dropped() {
        let folder = Folder::create(&std::env::temp_dir()).unwrap();
        let path = folder.path.clone();
        assert_eq!(folder.url().unwrap(), format!("sqlite://{}/test.db", path.display()));
        fs::write(path.join("test.db"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_are_swept_and_everything_else_stays() {
        let parent = Folder::create(&std::env::temp_dir()).unwrap();
        let old = parent.path.join("spakky_test_1000000000_2000000000_0123456789abcdef");
        let mine = parent.path.join(name::unique());
        let other = parent.path.join("spakky_test_data");
        for path in [&old, &mine, &other] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("test.db"), "x").unwrap();
        }
        sweep(&parent.path);
        assert_eq!([old.exists(), mine.exists(), other.exists()], [false, true, true]);
    }

    #[test]
    fn a_parent_that_is_missing_is_named() {
        let error = Folder::create(Path::new("/no/such/folder")).err().unwrap();
        assert!(error.is_config());
        assert!(error.to_string().starts_with("create the folder `/no/such/folder/spakky_test_"), "{error}");
    }
}
