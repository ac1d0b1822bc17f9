//! Every attribute key, spelled once: for matching, and for the lists in messages.

/// A closed set of keys, as an enum that is matched without `_`.
pub(crate) trait Keys: Sized + Copy + 'static {
    /// The attribute the keys stand in, as in `#[table(..)]`.
    const ATTRIBUTE: &'static str;
    /// What the attribute stands on, for messages: "a struct", "a field".
    const PLACE: &'static str;
    /// The keys as written.
    const NAMES: &'static [&'static str];

    /// The key of this spelling.
    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! keys {
    ($(
        $(#[$doc:meta])*
        enum $name:ident in $attribute:literal on $place:literal { $($variant:ident = $text:literal,)* }
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl Keys for $name {
            const ATTRIBUTE: &'static str = $attribute;
            const PLACE: &'static str = $place;
            const NAMES: &'static [&'static str] = &[$($text,)*];

            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    )+};
}

keys! {
    /// `#[table(..)]` on the struct.
    enum TableKey in "table" on "a struct" {
        Name = "name",
        Schema = "schema",
        RenamedFrom = "renamed_from",
        Index = "index",
        Unique = "unique",
        Check = "check",
        Tenanted = "tenanted",
        Filterable = "filterable",
        Sortable = "sortable",
        Embedded = "embedded",
        Diesel = "diesel",
        Crate = "crate",
    }

    /// `#[table(..)]` on a field.
    enum ColumnKey in "table" on "a field" {
        Id = "id",
        Generated = "generated",
        Column = "column",
        RenamedFrom = "renamed_from",
        Version = "version",
        CreatedAt = "created_at",
        UpdatedAt = "updated_at",
        CreatedBy = "created_by",
        UpdatedBy = "updated_by",
        DeletedAt = "deleted_at",
        DeletedBy = "deleted_by",
        Tenant = "tenant",
        References = "references",
        Unique = "unique",
        Index = "index",
        Default = "default",
        Length = "length",
        Json = "json",
        Flatten = "flatten",
        HasMany = "has_many",
        HasOne = "has_one",
        Skip = "skip",
    }

    /// Inside `has_many(..)`.
    enum HasManyKey in "has_many" on "a field" {
        By = "by",
        OrderBy = "order_by",
        Unversioned = "unversioned",
    }

    /// Inside `has_one(..)`.
    enum HasOneKey in "has_one" on "a field" {
        By = "by",
        Unversioned = "unversioned",
    }

    /// Inside `references(..)`.
    enum ReferencesKey in "references" on "a field" {
        OnDelete = "on_delete",
    }

    /// After `on_delete =`.
    enum OnDeleteKey in "on_delete" on "a field" {
        Cascade = "cascade",
        Restrict = "restrict",
        SetNull = "set_null",
    }

    /// Inside `flatten(..)`.
    enum FlattenKey in "flatten" on "a field" {
        Prefix = "prefix",
    }

    /// Inside `index(..)`, besides the columns.
    enum IndexKey in "index" on "a struct" {
        Name = "name",
        Where = "where",
    }

    /// Inside `unique(..)`, besides the columns.
    enum UniqueKey in "unique" on "a struct" {
        Name = "name",
        Where = "where",
    }

    /// After `where =` in `unique(..)`.
    enum UniqueWhereKey in "where" on "a struct" {
        Live = "live",
    }

    /// `#[column(..)]` on the type.
    enum ValueKey in "column" on "a type" {
        RenameAll = "rename_all",
        Repr = "repr",
        PgType = "pg_type",
        SqlType = "sql_type",
        Diesel = "diesel",
        Crate = "crate",
    }

    /// After `repr =`.
    enum ReprKey in "repr" on "a type" {
        I16 = "i16",
        I32 = "i32",
        I64 = "i64",
    }

    /// `#[column(..)]` on a variant.
    enum VariantKey in "column" on "a variant" {
        Rename = "rename",
        Value = "value",
        Other = "other",
    }

    /// `#[sessions(..)]` on the struct.
    enum HasSessionsKey in "sessions" on "a struct" {
        Crate = "crate",
    }

    /// `#[spakky::test(..)]`.
    enum TestKey in "test" on "a test" {
        Backend = "backend",
        Flavor = "flavor",
        WorkerThreads = "worker_threads",
        Schema = "schema",
        Rollback = "rollback",
        Crate = "crate",
    }

    /// After `backend =`.
    enum BackendKey in "backend" on "a test" {
        Sqlite = "sqlite",
        Postgres = "postgres",
    }

    /// `#[mappable(..)]` on the struct.
    enum MappableKey in "mappable" on "a struct" {
        Domain = "domain",
        Construct = "construct",
        TryConstruct = "try_construct",
        Access = "access",
        Primary = "primary",
        Crate = "crate",
    }

    /// After `access =`.
    enum AccessKey in "access" on "a struct" {
        Fields = "fields",
        Getters = "getters",
    }

    /// `#[mappable(..)]` on a field.
    enum MappedFieldKey in "mappable" on "a field" {
        Field = "field",
        RowOnly = "row_only",
        Parent = "parent",
        With = "with",
        TryWith = "try_with",
        Into = "into",
        TryInto = "try_into",
        Nested = "nested",
        Wrapped = "wrapped",
    }

    /// `#[projection(..)]` on the struct.
    enum ProjectionKey in "projection" on "a struct" {
        Row = "row",
        Profiles = "profiles",
        Crate = "crate",
    }

    /// `#[projection(..)]` on a field.
    enum ProjectedKey in "projection" on "a field" {
        Column = "column",
        Joined = "joined",
        BelongsTo = "belongs_to",
        HasOne = "has_one",
        HasMany = "has_many",
        ManyToMany = "many_to_many",
        Count = "count",
        Exists = "exists",
        Sum = "sum",
        Load = "load",
        DependsOn = "depends_on",
        Profiles = "profiles",
    }

    /// Inside `joined(..)`.
    enum ProjectedJoinedKey in "joined" on "a field" {
        By = "by",
    }

    /// Inside `belongs_to(..)`.
    enum ProjectedBelongsToKey in "belongs_to" on "a field" {
        By = "by",
        Profile = "profile",
    }

    /// Inside `has_one(..)`.
    enum ProjectedHasOneKey in "has_one" on "a field" {
        By = "by",
        Filter = "filter",
        OrderBy = "order_by",
        Profile = "profile",
    }

    /// Inside `has_many(..)`.
    enum ProjectedHasManyKey in "has_many" on "a field" {
        By = "by",
        Filter = "filter",
        OrderBy = "order_by",
        Limit = "limit",
        Profile = "profile",
    }

    /// Inside `many_to_many(..)`.
    enum ProjectedManyToManyKey in "many_to_many" on "a field" {
        Through = "through",
        From = "from",
        To = "to",
        Filter = "filter",
        OrderBy = "order_by",
        Limit = "limit",
        Profile = "profile",
    }

    /// Inside `count(..)`.
    enum ProjectedCountKey in "count" on "a field" {
        By = "by",
        Filter = "filter",
    }

    /// Inside `exists(..)`.
    enum ProjectedExistsKey in "exists" on "a field" {
        By = "by",
        Filter = "filter",
    }

    /// Inside `sum(..)`.
    enum ProjectedSumKey in "sum" on "a field" {
        By = "by",
        Filter = "filter",
    }

    /// `#[transactional(..)]`.
    enum TransactionalKey in "transactional" on "`#[transactional(..)]` itself" {
        Propagation = "propagation",
        Isolation = "isolation",
        ReadOnly = "read_only",
        Deferrable = "deferrable",
        Timeout = "timeout",
        Retry = "retry",
        CommitOn = "commit_on",
        MapErr = "map_err",
        Sessions = "sessions",
        Registry = "registry",
        Name = "name",
        Crate = "crate",
    }

    /// After `propagation =`.
    enum PropagationKey in "propagation" on "a function" {
        Required = "required",
        RequiresNew = "requires_new",
        Nested = "nested",
        Mandatory = "mandatory",
        Supports = "supports",
        Never = "never",
        NotSupported = "not_supported",
    }

    /// After `isolation =`.
    enum IsolationKey in "isolation" on "a function" {
        ReadCommitted = "read_committed",
        RepeatableRead = "repeatable_read",
        Serializable = "serializable",
    }

    /// Inside `retry(..)`.
    enum RetryKey in "retry" on "`retry(..)`" {
        Attempts = "attempts",
        Backoff = "backoff",
        On = "on",
    }

    /// After `on =` in `retry(..)`.
    enum RetryOnKey in "on" on "a function" {
        Transient = "transient",
        Conflict = "conflict",
    }
}

impl ColumnKey {
    /// Whether the key says something about the table as a whole, which an embedded struct does not have.
    pub(crate) fn is_of_table(self) -> bool {
        match self {
            ColumnKey::Id
            | ColumnKey::Generated
            | ColumnKey::Version
            | ColumnKey::CreatedAt
            | ColumnKey::UpdatedAt
            | ColumnKey::CreatedBy
            | ColumnKey::UpdatedBy
            | ColumnKey::DeletedAt
            | ColumnKey::DeletedBy
            | ColumnKey::Tenant
            | ColumnKey::References
            | ColumnKey::Unique
            | ColumnKey::Index
            | ColumnKey::HasMany
            | ColumnKey::HasOne => true,
            ColumnKey::Column
            | ColumnKey::RenamedFrom
            | ColumnKey::Default
            | ColumnKey::Length
            | ColumnKey::Json
            | ColumnKey::Flatten
            | ColumnKey::Skip => false,
        }
    }
}

impl ReprKey {
    /// The key as written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReprKey::I16 => "i16",
            ReprKey::I32 => "i32",
            ReprKey::I64 => "i64",
        }
    }
}
