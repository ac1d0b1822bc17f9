//! The types of a database that are not built in: enums, those of extensions, domains.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

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
    /// A type was met that was made since they were read, where they could not be read again.
    has_missed: AtomicBool,
}

/// All but the row types of tables, of which there are as many as tables.
const READ_TYPES: &str = "\
SELECT t.oid, t.typname::text, n.nspname::text, t.typelem, t.typbasetype, t.typarray, \
       t.typcategory::text = 'A' AND t.typelem <> 0, \
       t.typsend::regproc::text IN ('textsend', 'varcharsend', 'bpcharsend', 'enum_send', 'namesend', 'citextsend'), pg_catalog.pg_type_is_visible(t.oid) \
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory::text = 'A' \
WHERE t.oid >= 16384 AND t.typtype::text <> 'c' AND COALESCE(e.typtype::text, '') <> 'c'";

impl TypeCatalog {
    pub(super) fn is_loaded(&self) -> bool {
        self.types.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes note of a type that is not known, where the server cannot be asked: who gets a connection next does so.
    pub(super) fn note_missed(&self) {
        self.has_missed.store(true, Ordering::Release);
    }

    pub(super) fn has_missed(&self) -> bool {
        self.has_missed.load(Ordering::Acquire)
    }

    /// Reads the types from the server.
    ///
    /// # Errors
    /// When the server does not tell.
    pub(super) async fn load(&self, core: &Arc<Core>) -> Result<(), DatabaseError> {
        let statement = Statement { cached: false, ..Statement::plain(READ_TYPES, Vec::new()) };
        let burst = Arc::from([Step::Statement(statement)]);
        self.has_missed.store(false, Ordering::Release);
        let (finished, _) = core.launch(Job::Burst(burst)).finished().await;
        if let Some((_, failure)) = finished.failure {
            return Err(failure.into_error());
        }
        let mut types = HashMap::new();
        for row in finished.answers.into_iter().flat_map(|answer| answer.records) {
            let Some((oid, entry)) = Entry::read(row) else { continue };
            types.insert(oid, entry);
        }
        *self.types.write().unwrap_or_else(PoisonError::into_inner) = Some(types);
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
