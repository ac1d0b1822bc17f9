//! What diesel can write and read on PostgreSQL, for types that the library has no variant for.

use std::num::NonZeroU32;

use diesel::deserialize::FromSql;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata, PgValue};
use diesel::query_builder::BindCollector;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;
use postgres_types::Type;

use crate::value::{Codec, TypeName, Value, ValueError};

/// The codec of a `T` stored as `ST`.
pub(crate) fn codec<ST, T>() -> Codec<T>
where
    Pg: HasSqlType<ST>,
    T: ToSql<ST, Pg> + FromSql<ST, Pg>,
{
    Codec { write: write::<ST, T>, read: read::<ST, T>, name: name::<ST> }
}

/// Notes the type that is looked up by its name, which only a connection knows the number of.
#[derive(Default)]
struct Asked(Option<(Option<String>, String)>);

impl PgMetadataLookup for Asked {
    fn lookup_type(&mut self, type_name: &str, schema: Option<&str>) -> PgTypeMetadata {
        self.0 = Some((schema.map(str::to_owned), type_name.to_owned()));
        PgTypeMetadata::new(0, 0)
    }
}

fn name<ST>() -> TypeName
where
    Pg: HasSqlType<ST>,
{
    let mut asked = Asked::default();
    let metadata = Pg::metadata(&mut asked);
    if let Some((schema, name)) = asked.0 {
        return TypeName::Custom { schema, name };
    }
    let oid = metadata.oid().unwrap_or(0);
    match Type::from_oid(oid) {
        Some(ty) => TypeName::BuiltIn { name: ty.name().to_owned(), oid, array: metadata.array_oid().unwrap_or(0) },
        None => TypeName::Unknown(format!("PostgreSQL has no type with the number {oid}")),
    }
}

fn write<ST, T>(value: &T) -> Result<Value, ValueError>
where
    Pg: HasSqlType<ST>,
    T: ToSql<ST, Pg>,
{
    let mut asked = Asked::default();
    let mut collector = RawBytesBindCollector::<Pg>::new();
    let written = collector.push_bound_value::<ST, T>(value, &mut asked);
    written.map_err(|error| ValueError::new("diesel cannot write it").with_detail(error))?;
    Ok(collector.binds.pop().flatten().map_or(Value::Null, Value::Bytes))
}

fn read<ST, T>(value: Value, oid: u32) -> Result<T, ValueError>
where
    Pg: HasSqlType<ST>,
    T: FromSql<ST, Pg>,
{
    let Value::Bytes(bytes) = value else { return Err(ValueError::mismatch("bytes", &value)) };
    let own = match name::<ST>() {
        TypeName::BuiltIn { oid, .. } => oid,
        _ => 0,
    };
    // What was read as one of the library's own types has no number, and these two have lost their form.
    let bytes: &[u8] = match (oid, Type::from_oid(own), &*bytes) {
        (0, Some(Type::JSON), [1, text @ ..]) => text,
        (0, Some(Type::OID), [_, _, _, _, number @ ..]) => number,
        (_, _, bytes) => bytes,
    };
    let oid = NonZeroU32::new(oid).or(NonZeroU32::new(own)).unwrap_or(UNKNOWN);
    T::from_sql(PgValue::new(bytes, &oid)).map_err(|error| ValueError::new("diesel cannot read it").with_detail(error))
}

/// The number of a type whose number is not known: that of PostgreSQL's own `unknown`.
const UNKNOWN: NonZeroU32 = NonZeroU32::new(705).unwrap();
