//! Types of a database that the library has no variant for: what diesel can write and read, column by column.
//!
//! `#[column(sql_type = path)]` on a newtype names diesel's SQL type. Its value crosses the library in the forms that
//! diesel gives it for the backends that are compiled in; one that diesel has no form for is refused there.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};
use crate::backend::Backend;

/// How diesel writes and reads a `T` on one backend.
pub struct Codec<T> {
    /// The stored form: bytes on PostgreSQL, one of the storage classes on SQLite.
    pub(crate) write: fn(&T) -> Result<Value, ValueError>,
    /// Reads that form, given PostgreSQL's number of the type.
    pub(crate) read: fn(Value, u32) -> Result<T, ValueError>,
    /// What the type is called.
    pub(crate) name: fn() -> TypeName,
}

/// The codecs of the backends that are compiled in and for which diesel has one.
pub struct Codecs<T> {
    /// For PostgreSQL.
    pub postgres: Option<Codec<T>>,
    /// For SQLite.
    pub sqlite: Option<Codec<T>>,
}

/// A newtype with `#[column(sql_type = path)]`.
pub trait NativeColumn: ColumnValue {
    /// Its name, for messages.
    const NAME: &'static str;
    /// What it wraps.
    type Stored;

    /// How that is written and read.
    fn codecs() -> Codecs<Self::Stored>;
}

/// What a backend calls a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypeName {
    /// One that PostgreSQL has from the start, with its number and that of its array.
    BuiltIn { name: String, oid: u32, array: u32 },
    /// One of an extension, or of the user's.
    Custom { schema: Option<String>, name: String },
    /// One that cannot be named, and why.
    Unknown(String),
    /// A storage class of SQLite.
    Class(&'static str),
}

/// A type of a database that the library has no variant for.
pub struct NativeType {
    rust_name: &'static str,
    through: fn(Value) -> Result<Value, ValueError>,
    postgres: fn() -> Option<TypeName>,
    sqlite: fn() -> Option<TypeName>,
}

impl NativeType {
    /// The type of a newtype's column.
    pub const fn of<T: NativeColumn>() -> Self {
        NativeType {
            rust_name: T::NAME,
            through: |value| T::from_value(value)?.to_value(),
            postgres: || T::codecs().postgres.map(|codec| (codec.name)()),
            sqlite: || T::codecs().sqlite.map(|codec| (codec.name)()),
        }
    }

    /// The value as writing it gives it.
    pub(super) fn canonical(&self, value: Value) -> Result<Value, ValueError> {
        (self.through)(value)
    }

    /// What a backend calls the type, if diesel has one there.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn name(&self, backend: Backend) -> Result<TypeName, ValueError> {
        let name = match backend {
            Backend::Postgres => (self.postgres)(),
            Backend::Sqlite => (self.sqlite)(),
        };
        match name {
            Some(TypeName::Unknown(reason)) => Err(ValueError::new(reason)),
            Some(name) => Ok(name),
            None => Err(no_form(self.rust_name, backend)),
        }
    }

    /// The storage class on SQLite; `BLOB` where the type cannot be stored at all.
    pub(crate) fn sqlite_class(&self) -> &'static str {
        match (self.sqlite)() {
            Some(TypeName::Class(class)) => class,
            _ => "BLOB",
        }
    }
}

fn no_form(name: &str, backend: Backend) -> ValueError {
    ValueError::new(format!(
        "`{name}` cannot be stored on {backend}: what it wraps has no diesel `ToSql` and `FromSql` for its `sql_type` there"
    ))
}

/// Types are told apart by where they are described.
impl PartialEq for NativeType {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for NativeType {}

impl Hash for NativeType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}

impl std::fmt::Debug for NativeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.rust_name)
    }
}

/// A value of a [`NativeType`], or one that PostgreSQL sent and the library cannot read.
#[derive(Debug, Clone)]
pub struct NativeValue {
    /// The Rust type of a value to store, the database's name of the type of one that was read.
    name: Cow<'static, str>,
    /// PostgreSQL's number of the type, of a value that was read.
    oid: u32,
    postgres: Option<Vec<u8>>,
    sqlite: Option<Value>,
}

impl NativeValue {
    /// What PostgreSQL sent.
    #[cfg(feature = "postgres")]
    pub(crate) fn read(name: &str, oid: u32, bytes: &[u8]) -> Value {
        Value::Native(Box::new(NativeValue {
            name: name.to_owned().into(),
            oid,
            postgres: Some(bytes.to_vec()),
            sqlite: None,
        }))
    }

    /// The bytes for PostgreSQL.
    ///
    /// # Errors
    /// When diesel has no form of the type there.
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(&self) -> Result<&[u8], ValueError> {
        self.postgres.as_deref().ok_or_else(|| no_form(&self.name, Backend::Postgres))
    }

    /// The value for SQLite.
    ///
    /// # Errors
    /// When diesel has no form of the type there.
    pub(crate) fn sqlite(&self) -> Result<&Value, ValueError> {
        self.sqlite.as_ref().ok_or_else(|| no_form(&self.name, Backend::Sqlite))
    }

    /// Refuses a value that the backend has no form for.
    pub(crate) fn check(&self, backend: Backend) -> Result<(), ValueError> {
        let has_form = match backend {
            Backend::Postgres => self.postgres.is_some(),
            Backend::Sqlite => self.sqlite.is_some(),
        };
        if has_form { Ok(()) } else { Err(no_form(&self.name, backend)) }
    }

    /// Why a Rust type of the library's own cannot be read from this.
    pub(super) fn unread(&self) -> ValueError {
        ValueError::new(format!("it is of type `{}`, which cannot be read; cast it, for example to text", self.name))
    }
}

impl PartialEq for NativeValue {
    fn eq(&self, other: &Self) -> bool {
        self.postgres == other.postgres && self.sqlite == other.sqlite
    }
}

impl Eq for NativeValue {}

impl Hash for NativeValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.postgres.hash(state);
        self.sqlite.hash(state);
    }
}

/// The value of a column, in every form that it has: the body of a derived [`ColumnValue::to_value`].
///
/// # Errors
/// What diesel says.
pub fn to_native<T: NativeColumn>(value: &T::Stored) -> Result<Value, ValueError> {
    let codecs = T::codecs();
    let postgres = codecs.postgres.map(|codec| (codec.write)(value)).transpose()?;
    let sqlite = codecs.sqlite.map(|codec| (codec.write)(value)).transpose()?;
    let postgres = match postgres {
        Some(Value::Bytes(bytes)) => Some(bytes),
        Some(_) => return Ok(Value::Null),
        None => None,
    };
    if sqlite.as_ref().is_some_and(Value::is_null) {
        return Ok(Value::Null);
    }
    Ok(Value::Native(Box::new(NativeValue { name: T::NAME.into(), oid: 0, postgres, sqlite })))
}

/// Reads a column in any form that it comes in: the body of a derived [`ColumnValue::from_value`].
///
/// # Errors
/// What diesel says, or that it has no form for the backend the value comes from.
pub fn from_native<T: NativeColumn>(value: Value) -> Result<T::Stored, ValueError> {
    let codecs = T::codecs();
    match value {
        Value::Null | Value::Unreadable(_) => Err(ValueError::mismatch(T::NAME, &value)),
        Value::Native(value) => match (*value, codecs.postgres, codecs.sqlite) {
            (NativeValue { postgres: Some(bytes), oid, .. }, Some(codec), _) => (codec.read)(Value::Bytes(bytes), oid),
            (NativeValue { sqlite: Some(value), .. }, _, Some(codec)) => (codec.read)(value, 0),
            (NativeValue { postgres: Some(_), .. }, ..) => Err(no_form(T::NAME, Backend::Postgres)),
            _ => Err(no_form(T::NAME, Backend::Sqlite)),
        },
        // A result of plain SQL, which does not tell where it comes from; only PostgreSQL has more than four types.
        plain => {
            let of_sqlite = matches!(plain, Value::I64(_) | Value::F64(_) | Value::Text(_) | Value::Bytes(_));
            match (codecs.sqlite, codecs.postgres) {
                (Some(codec), _) if of_sqlite => (codec.read)(plain, 0),
                (_, Some(_)) => from_native::<T>(received(plain, Backend::Postgres)?),
                (_, None) => Err(ValueError::mismatch(T::NAME, &plain)),
            }
        }
    }
}

/// A value of a native column as a backend returned it, which may have taken it for one of the library's own types.
pub(super) fn received(value: Value, backend: Backend) -> Result<Value, ValueError> {
    if matches!(value, Value::Null | Value::Native(_) | Value::Unreadable(_)) {
        return Ok(value);
    }
    let name = Cow::Borrowed(value.kind());
    let (postgres, sqlite) = match backend {
        #[cfg(feature = "postgres")]
        Backend::Postgres => (Some(crate::backend::postgres::plain_bytes(&value)?), None),
        #[cfg(not(feature = "postgres"))]
        Backend::Postgres => (None, None),
        Backend::Sqlite => (None, Some(value)),
    };
    Ok(Value::Native(Box::new(NativeValue { name, oid: 0, postgres, sqlite })))
}

impl ColumnType {
    /// A required value of a native type.
    pub const fn native(ty: &'static NativeType) -> Self {
        ColumnType::scalar(ScalarType::Native(ty))
    }
}
