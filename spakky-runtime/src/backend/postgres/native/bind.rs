//! A query of diesel's as it is sent: text, types and bytes.
//!
//! Diesel asks for the number of a type by its name while it writes a value, at which point nothing can be awaited. The
//! types of the database are known since the connection was opened; one that was made later gets a made-up number, which is
//! replaced when the types were read again. Such a number may also sit inside a value (an array names the type of its
//! items): writing all values twice, with different made-up numbers, shows where.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::pg::{FailedToLookupTypeError, Pg, PgMetadataCacheKey, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::result::Error as DieselError;

use super::super::types::TypeCatalog;

/// A type by schema and name.
type TypeName = (Option<String>, String);

/// A query of diesel's as it is sent.
pub(in super::super) struct Request {
    pub(in super::super) sql: Arc<str>,
    /// Whether it recurs, so that it is worth a prepared statement.
    pub(in super::super) cached: bool,
    pub(in super::super) types: Vec<u32>,
    pub(in super::super) values: Vec<Option<Vec<u8>>>,
    missing: Vec<Missing>,
}

/// A type that is not known yet, with its made-up numbers and where they stand inside values.
#[derive(Debug)]
struct Missing {
    name: TypeName,
    numbers: (u32, u32),
    /// Value, position in it, and whether it is the number of the array.
    places: Vec<(usize, usize, bool)>,
}

impl Request {
    pub(super) fn of<T: QueryFragment<Pg>>(query: &T, types: &Arc<TypeCatalog>) -> QueryResult<Self> {
        let mut builder = PgQueryBuilder::default();
        query.to_sql(&mut builder, &Pg)?;
        let cached = query.is_safe_to_cache_prepared(&Pg)?;

        let (collected, made_up) = collect(query, types, 0xFFFF_0000)?;
        let mut missing: Vec<Missing> =
            made_up.into_iter().map(|(name, numbers)| Missing { name, numbers, places: Vec::new() }).collect();
        if !missing.is_empty() {
            let (again, made_up) = collect(query, types, 0xFFFE_0000)?;
            for missing in &mut missing {
                let others = made_up.get(&missing.name).copied().unwrap_or(missing.numbers);
                missing.find_places(&collected.binds, &again.binds, others);
            }
        }
        let types = collected.metadata.iter().map(oid).collect::<QueryResult<_>>()?;
        Ok(Request { sql: builder.finish().into(), cached, types, values: collected.binds, missing })
    }

    /// Whether all types are known.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Replaces the made-up numbers.
    pub(super) fn complete(mut self, types: &TypeCatalog) -> QueryResult<Self> {
        for Missing { name: (schema, name), numbers, places } in std::mem::take(&mut self.missing) {
            let Some(known) = types.by_name(schema.as_deref(), &name) else {
                let key = PgMetadataCacheKey::new(schema.map(Into::into), name.into());
                return Err(DieselError::SerializationError(Box::new(FailedToLookupTypeError::new(key))));
            };
            for ty in &mut self.types {
                if *ty == numbers.0 {
                    *ty = known.0;
                } else if *ty == numbers.1 {
                    *ty = known.1;
                }
            }
            for (value, position, is_array) in places {
                let number = if is_array { known.1 } else { known.0 };
                if let Some(bytes) = self.values.get_mut(value).and_then(Option::as_mut) {
                    bytes[position..position + 4].copy_from_slice(&number.to_be_bytes());
                }
            }
        }
        Ok(self)
    }
}

impl Missing {
    fn find_places(&mut self, values: &[Option<Vec<u8>>], others: &[Option<Vec<u8>>], numbers: (u32, u32)) {
        for (value, (bytes, other)) in values.iter().zip(others).enumerate() {
            let (Some(bytes), Some(other)) = (bytes, other) else { continue };
            for (position, (here, there)) in bytes.windows(4).zip(other.windows(4)).enumerate() {
                for (number, other, is_array) in [(self.numbers.0, numbers.0, false), (self.numbers.1, numbers.1, true)]
                {
                    if here == number.to_be_bytes() && there == other.to_be_bytes() {
                        self.places.push((value, position, is_array));
                    }
                }
            }
        }
    }
}

type MadeUp = HashMap<TypeName, (u32, u32)>;

fn collect<T: QueryFragment<Pg>>(
    query: &T,
    types: &Arc<TypeCatalog>,
    first: u32,
) -> QueryResult<(RawBytesBindCollector<Pg>, MadeUp)> {
    let mut collector = RawBytesBindCollector::new();
    let mut lookup = Lookup { types: types.clone(), first, made_up: HashMap::new() };
    query.collect_binds(&mut collector, &mut lookup, &Pg)?;
    Ok((collector, lookup.made_up))
}

/// Answers diesel's questions for types.
struct Lookup {
    types: Arc<TypeCatalog>,
    first: u32,
    made_up: MadeUp,
}

impl PgMetadataLookup for Lookup {
    fn lookup_type(&mut self, type_name: &str, schema: Option<&str>) -> PgTypeMetadata {
        if let Some((oid, array_oid)) = self.types.by_name(schema, type_name) {
            return PgTypeMetadata::new(oid, array_oid);
        }
        let next = self.first + 2 * u32::try_from(self.made_up.len()).unwrap_or(0);
        let name = (schema.map(str::to_owned), type_name.to_owned());
        let (oid, array_oid) = *self.made_up.entry(name).or_insert((next, next + 1));
        PgTypeMetadata::new(oid, array_oid)
    }

    fn as_any<'a>(&mut self) -> &mut (dyn std::any::Any + 'a)
    where
        Self: 'a,
    {
        self
    }
}

fn oid(metadata: &PgTypeMetadata) -> QueryResult<u32> {
    metadata.oid().map_err(|error| DieselError::SerializationError(Box::new(error)))
}
