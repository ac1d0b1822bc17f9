//! The types of a database that are not built in: enums, those of extensions, domains.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use postgres_types::Type;

use super::core::Core;
use super::encode::Job;
use crate::backend::{Statement, Step};
use crate::error::DatabaseError;
use crate::value::Value;

/// How values of a type look on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TypeForm {
    /// The text itself: enums, `citext`.
    Text,
    /// As another type: a domain.
    Same(u32),
    /// An array of another type.
    Array(u32),
    /// Anything else.
    Other,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    schema: String,
    form: TypeForm,
    array: u32,
    /// Whether its name alone means this type, by the search path of the connection that read it.
    visible: bool,
}

impl Entry {
    /// Reads a row of [`READ_TYPES`].
    fn read(row: Vec<Value>) -> Option<(u32, Self)> {
        let row: [Value; 9] = row.try_into().ok()?;
        let number = |value: &Value| match value {
            Value::I64(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let [oid, Value::Text(name), Value::Text(schema), element, base, array, is_array, is_text, visible] = row
        else {
            return None;
        };
        let (element, base) = (number(&element)?, number(&base)?);
        let form = if base != 0 {
            TypeForm::Same(base)
        } else if is_array == Value::Bool(true) {
            TypeForm::Array(element)
        } else if is_text == Value::Bool(true) {
            TypeForm::Text
        } else {
            TypeForm::Other
        };
        let (array, visible) = (number(&array)?, visible == Value::Bool(true));
        Some((number(&oid)?, Entry { name, schema, form, array, visible }))
    }
}

/// What is known of the types that are not built in; shared by the connections to one database.
#[derive(Debug, Default)]
pub(super) struct TypeCatalog {
    types: RwLock<Option<HashMap<u32, Entry>>>,
    missed: Mutex<Missed>,
}

/// Types that rows had and that were not known.
#[derive(Debug, Default)]
struct Missed {
    /// They are asked for one by one, also where all of their kind are left out.
    oids: BTreeSet<u32>,
    /// How often one was met, and how many of those times the server was asked since.
    met: u64,
    asked: u64,
    /// How often the types were asked for, and which of those times they are known of.
    loads: u64,
    loaded: u64,
}

/// All but the row types of tables, of which there are as many as tables, and what is added behind it.
const READ_TYPES: &str = "\
SELECT t.oid, t.typname::text, n.nspname::text, t.typelem, t.typbasetype, t.typarray, \
       t.typcategory::text = 'A' AND t.typelem <> 0, \
       t.typsend::regproc::text IN ('textsend', 'varcharsend', 'bpcharsend', 'enum_send', 'namesend', 'citextsend'), pg_catalog.pg_type_is_visible(t.oid) \
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory::text = 'A' \
WHERE (t.oid >= 16384 AND t.typtype::text <> 'c' AND COALESCE(e.typtype::text, '') <> 'c')";

impl TypeCatalog {
    pub(super) fn is_loaded(&self) -> bool {
        self.types.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn missed(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of types that are not known. Where the server cannot be asked now, who gets a connection next does so.
    pub(super) fn note_missed(&self, oids: Vec<u32>) {
        let mut missed = self.missed();
        missed.oids.extend(oids);
        missed.met += 1;
    }

    /// Whether a type was met that is not known, and nobody has asked since.
    pub(super) fn has_missed(&self) -> bool {
        let missed = self.missed();
        missed.met != missed.asked
    }

    /// Reads the types from the server.
    ///
    /// # Errors
    /// When the server does not tell.
    pub(super) async fn load(&self, core: &Arc<Core>) -> Result<(), DatabaseError> {
        let (oids, met, number) = {
            let mut missed = self.missed();
            missed.loads += 1;
            (missed.oids.clone(), missed.met, missed.loads)
        };
        let sql = oids.iter().fold(READ_TYPES.to_owned(), |sql, oid| format!("{sql} OR t.oid = {oid}"));
        let statement = Statement { sql: sql.into(), cached: false, ..Statement::plain(READ_TYPES, Vec::new()) };
        let burst = Arc::from([Step::Statement(statement)]);
        let (finished, _) = core.launch(Job::Burst(burst)).finished().await;
        let is_answered = core.is_usable();
        let mut missed = self.missed();
        if is_answered {
            missed.asked = missed.asked.max(met);
        }
        if let Some((_, failure)) = finished.failure {
            return Err(failure.into_error());
        }
        let rows = finished.answers.into_iter().flat_map(|answer| answer.records);
        let types: HashMap<_, _> = rows.filter_map(Entry::read).collect();
        // The others are gone, or nobody else can see them yet.
        missed.oids.retain(|oid| !oids.contains(oid) || types.contains_key(oid));
        // One that was asked for earlier may be answered later.
        if missed.loaded < number {
            missed.loaded = number;
            *self.types.write().unwrap_or_else(PoisonError::into_inner) = Some(types);
        }
        Ok(())
    }

    /// The form of a type that is not built in; `None` if it is not known (yet).
    pub(super) fn form(&self, oid: u32) -> Option<TypeForm> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types.as_ref()?.get(&oid).map(|entry| entry.form.clone())
    }

    /// The name of any type, for a message.
    pub(super) fn name(&self, oid: u32) -> String {
        if let Some(built_in) = Type::from_oid(oid) {
            return built_in.name().to_owned();
        }
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let entry = types.as_ref().and_then(|types| types.get(&oid));
        entry.map_or_else(|| format!("oid {oid}"), |entry| entry.name.clone())
    }

    /// The type of this name and that of its array; without a schema, the one that the search path finds.
    pub(super) fn by_name(&self, schema: Option<&str>, name: &str) -> Option<(u32, u32)> {
        if schema.is_none_or(|schema| schema == "pg_catalog")
            && let Some(built_in) = built_in(name)
        {
            return Some(built_in);
        }
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let found = types
            .as_ref()?
            .iter()
            .find(|(_, entry)| entry.name == name && schema.map_or(entry.visible, |schema| entry.schema == schema));
        found.map(|(oid, entry)| (*oid, entry.array))
    }
}

/// A built-in type, and that of its array (0 if it has none).
fn built_in(name: &str) -> Option<(u32, u32)> {
    static BY_NAME: OnceLock<HashMap<String, u32>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| {
        let built_in = (1..FIRST_FOREIGN_OID).filter_map(Type::from_oid);
        built_in.map(|ty| (ty.name().to_owned(), ty.oid())).collect()
    });
    let oid = *by_name.get(name)?;
    Some((oid, by_name.get(&format!("_{name}")).copied().unwrap_or(0)))
}

/// Types from here on are not built in.
const FIRST_FOREIGN_OID: u32 = 16_384;
