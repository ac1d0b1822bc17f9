//! Databases with tables in them, for tests that take back all they do: one after the other they use the same.
//!
//! As many are made as such tests run at once. They are deleted when none runs any more, since nobody tells when a process is
//! about to end.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::TestDatabase;
use crate::schema::SchemaRegistry;
use crate::{Backend, Error};

static SHARED: Mutex<Shared> = Mutex::new(Shared { idle: Vec::new(), running: 0 });

struct Shared {
    /// Databases that no test uses, with what made their tables.
    idle: Vec<(String, TestDatabase)>,
    /// How many tests there are.
    running: usize,
}

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A database for one test, which goes to the next one when this is dropped.
pub(super) struct Borrowed {
    tables: String,
    database: Option<TestDatabase>,
}

impl Borrowed {
    /// A database in which there is nothing but these tables.
    pub(super) async fn new(backend: Backend, schema: Option<&SchemaRegistry>) -> Result<Self, Error> {
        let ddl = schema.map_or(Ok(String::new()), |schema| schema.ddl(backend))?;
        let tables = format!("{backend}\n{ddl}");
        let idle = {
            let mut shared = shared();
            shared.running += 1;
            let found = shared.idle.iter().position(|(made_of, _)| *made_of == tables);
            found.map(|at| shared.idle.swap_remove(at).1)
        };
        let mut borrowed = Borrowed { tables, database: idle };
        if borrowed.database.is_none() {
            let database = TestDatabase::create(backend).await?;
            if let Some(schema) = schema {
                database.connect().await?.create_tables(schema).await?;
            }
            borrowed.database = Some(database);
        }
        Ok(borrowed)
    }

    pub(super) fn database(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut shared = shared();
        shared.running -= 1;
        shared.idle.extend(self.database.take().map(|database| (mem::take(&mut self.tables), database)));
        let unused = if shared.running == 0 { mem::take(&mut shared.idle) } else { Vec::new() };
        drop(shared);
        // Deleting them takes a while.
        drop(unused);
    }
}
