//! What is compared: manifests, and which source a crate gets.

use std::fs;
use std::path::Path;

use crate::source;

/// A library that tables are declared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    /// None: the structs alone.
    Plain,
    /// `Table` and `Mappable`.
    Spakky,
    /// `table!`, `Queryable`, `Selectable`, `Insertable`, `Identifiable`, `AsChangeset`.
    Diesel,
    /// `DeriveEntityModel`.
    SeaOrm,
    /// `toasty::Model`.
    Toasty,
}

impl Library {
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "plain" => Ok(Library::Plain),
            "spakky" => Ok(Library::Spakky),
            "diesel" => Ok(Library::Diesel),
            "sea-orm" => Ok(Library::SeaOrm),
            "toasty" => Ok(Library::Toasty),
            other => Err(format!(
                "unknown library `{other}`; expected one of `plain`, `spakky`, `diesel`, `sea-orm`, `toasty`"
            )),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Library::Plain => "plain",
            Library::Spakky => "spakky",
            Library::Diesel => "diesel",
            Library::SeaOrm => "sea-orm",
            Library::Toasty => "toasty",
        }
    }

    fn dependencies(self) -> String {
        let common = "chrono = { version = \"0.4\", default-features = false, features = [\"std\", \"clock\"] }\n\
                      uuid = \"1\"\n";
        let own = match self {
            Library::Plain => String::new(),
            Library::Spakky => {
                let root = crate::here().join("..").join("..");
                format!("spakky = {{ path = {root:?}, features = [\"postgres\", \"sqlite\"] }}\n")
            }
            Library::Diesel => {
                "diesel = { version = \"~2.3\", default-features = false, features = [\"postgres_backend\", \"uuid\", \
                 \"chrono\", \"32-column-tables\"] }\n"
                    .to_owned()
            }
            Library::SeaOrm => {
                "sea-orm = { version = \"2.0.4\", default-features = false, features = [\"macros\", \"with-chrono\", \
                 \"with-uuid\"] }\n"
                    .to_owned()
            }
            Library::Toasty => "toasty = { version = \"0.11.0\", default-features = false }\n".to_owned(),
        };
        format!("{common}{own}")
    }

    /// Writes the crate, with the lock file of the workspace so that all measure the same versions.
    pub(crate) fn write(self, folder: &Path, tables: usize) -> Result<(), String> {
        let manifest = format!(
            "[package]\nname = \"generated-{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}",
            self.name(),
            self.dependencies()
        );
        let modules = match self {
            Library::Plain => source::plain(tables),
            Library::Spakky => source::spakky(tables),
            Library::Diesel => source::diesel(tables),
            Library::SeaOrm => source::sea_orm(tables),
            Library::Toasty => source::toasty(tables),
        };
        let source = folder.join("src");
        let failed = |error| format!("failed to write {}: {error}", folder.display());
        // Modules of an earlier run with more tables would stay.
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(&source).and_then(|()| fs::write(folder.join("Cargo.toml"), manifest)).map_err(failed)?;
        let mut root = String::from("#![allow(dead_code)]\n");
        for (number, module) in modules.iter().enumerate() {
            root.push_str(&format!("pub mod table{number};\n"));
            fs::write(source.join(format!("table{number}.rs")), module).map_err(failed)?;
        }
        fs::write(source.join("lib.rs"), root).map_err(failed)?;
        let lock = folder.join("Cargo.lock");
        if !lock.exists() {
            fs::copy(crate::here().join("..").join("..").join("Cargo.lock"), &lock)
                .map_err(|error| format!("failed to write {}: {error}", lock.display()))?;
        }
        Ok(())
    }
}
