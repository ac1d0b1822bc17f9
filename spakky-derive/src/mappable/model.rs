//! One mapping, as `#[derive(Mappable)]` understood it.

use syn::{DeriveInput, Expr, ExprPath, Ident, LitStr, Member, Path, Type};

use super::attr::{MappableAttrs, MappedFieldAttrs, conversion, exclude};
use crate::attr::{CratePath, Spanned};
use crate::diagnostics::Diagnostics;
use crate::keys::AccessKey;
use crate::syntax::ident::plain;
use crate::syntax::input::{last_segment, named_fields};
use crate::table::model::{FieldKind, Kind, Stamp, Storage, Table};

/// A row and the domain type it stores.
pub(crate) struct Mappable {
    pub(crate) ident: Ident,
    pub(crate) krate: CratePath,
    pub(crate) domain: Domain,
    pub(crate) fields: Vec<Field>,
    pub(crate) registered: Registered,
    /// Whether `#[table(..)]` could be understood; if not, `derive(Table)` reports it.
    pub(crate) is_sound: bool,
}

/// Whether a lookup by domain type finds the table.
pub(crate) enum Registered {
    /// An embedded struct, which is no table.
    No,
    Yes,
    Primary,
}

#[expect(clippy::large_enum_variant, reason = "one value for each use of the macro")]
pub(crate) enum Domain {
    /// The row is the domain type.
    Itself,
    Other {
        ty: Type,
        access: AccessKey,
        build: Build,
    },
    /// Not given, which is reported.
    Missing,
}

/// How a domain value is made.
pub(crate) enum Build {
    /// By a struct literal.
    Literal,
    Construct(ExprPath),
    TryConstruct(ExprPath),
}

/// A field of the row.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) place: Place,
    pub(crate) source: Source,
    /// Keys that say nothing where the row is the domain type.
    pub(crate) keys: Vec<Ident>,
    /// A key of conversion that a version cannot have.
    pub(crate) conversion: Option<Ident>,
}

/// Where the field is stored.
pub(crate) enum Place {
    /// In a column of this name.
    Column(String),
    Version(String),
    Stamp(String, Stamp),
    Id(String),
    /// In several columns.
    Group {
        prefix: String,
    },
    /// In rows of another table.
    Rows,
    /// Not at all.
    Nowhere,
}

/// Where the field's value comes from.
pub(crate) enum Source {
    Mapped {
        member: Member,
        by: Conversion,
    },
    /// From the loaded row, else the expression, else the default.
    RowOnly {
        at: Option<Ident>,
        new: Option<Expr>,
    },
    /// The key of the row that this one belongs to, which the runtime fills in.
    Parent,
}

pub(crate) enum Conversion {
    /// The same type.
    None,
    With(Path),
    TryWith(Path),
    Into,
    TryInto,
    Nested,
    Wrapped,
}

impl Mappable {
    pub(crate) fn from_ast(item: &DeriveInput, attrs: &MappableAttrs, diagnostics: &mut Diagnostics) -> Option<Self> {
        let named = named_fields(item, "Mappable", diagnostics)?;
        let mut silent = Diagnostics::new();
        let table = Table::from_ast(item, &mut silent);
        let is_sound = !silent.discard();
        let table = table?;
        let fields = named
            .into_iter()
            .zip(&table.fields)
            .map(|(named, column)| {
                let attrs = MappedFieldAttrs::from_ast(&named.field.attrs, diagnostics);
                Field::from_attrs(named.ident, &named.field.ty, Place::of(&column.kind), attrs, diagnostics)
            })
            .collect();
        let registered = match (&table.kind, &attrs.primary) {
            (Kind::Embedded(_), _) => Registered::No,
            (Kind::Row(_), Some(_)) => Registered::Primary,
            (Kind::Row(_), None) => Registered::Yes,
        };
        Some(Mappable {
            ident: item.ident.clone(),
            krate: CratePath::given(attrs.krate.as_ref()),
            domain: Domain::from_attrs(attrs),
            fields,
            registered,
            is_sound,
        })
    }

    /// The domain member that holds the version.
    pub(crate) fn version(&self) -> Option<&Member> {
        self.fields.iter().find_map(|field| match (&field.place, &field.source) {
            (Place::Version(_), Source::Mapped { member, .. }) => Some(member),
            _ => None,
        })
    }
}

impl Domain {
    fn from_attrs(attrs: &MappableAttrs) -> Self {
        let Some(Spanned { value: Some(domain), .. }) = &attrs.domain else { return Domain::Missing };
        if last_segment(domain).is_some_and(|name| name == "Self") {
            return Domain::Itself;
        }
        let build = match (&attrs.construct, &attrs.try_construct) {
            (Some(path), _) => Build::Construct(path.value.clone()),
            (None, Some(path)) => Build::TryConstruct(path.value.clone()),
            (None, None) => Build::Literal,
        };
        let access = attrs.access.as_ref().map_or(AccessKey::Fields, |access| access.value);
        Domain::Other { ty: domain.clone(), access, build }
    }
}

impl Place {
    fn of(kind: &FieldKind) -> Self {
        match kind {
            FieldKind::Skip => Place::Nowhere,
            FieldKind::Relation(_) => Place::Rows,
            FieldKind::Flatten(flatten) => {
                Place::Group { prefix: flatten.prefix.as_ref().map(LitStr::value).unwrap_or_default() }
            }
            FieldKind::Column(column) => {
                let name = column.name.clone();
                match column.storage {
                    Storage::Plain | Storage::Json => Place::Column(name),
                    Storage::Id => Place::Id(name),
                    Storage::Version(_) => Place::Version(name),
                    Storage::Stamp(stamp, _) => Place::Stamp(name, stamp),
                }
            }
        }
    }
}

impl Field {
    fn from_attrs(
        ident: &Ident,
        ty: &Type,
        place: Place,
        attrs: MappedFieldAttrs,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        for (position, later) in attrs.given.iter().enumerate() {
            if let Some(earlier) = attrs.given[..position].iter().find(|earlier| exclude(earlier.value, later.value)) {
                let (earlier, later) = (plain(&earlier.key), &later.key);
                diagnostics.error(later, format!("`{}` cannot be combined with `{earlier}`; remove one", plain(later)));
            }
        }
        let keys = attrs.given.iter().map(|given| given.key.clone()).collect();
        let conversion = conversion(&attrs).cloned();
        let source = Source::from_attrs(ident, &place, attrs);
        Field { ident: ident.clone(), ty: ty.clone(), place, source, keys, conversion }
    }
}

impl Source {
    fn from_attrs(ident: &Ident, place: &Place, attrs: MappedFieldAttrs) -> Self {
        if let Some(row_only) = attrs.row_only {
            return Source::RowOnly { at: Some(row_only.key), new: row_only.value };
        }
        if attrs.parent.is_some() {
            return Source::Parent;
        }
        let is_mapped = match place {
            Place::Column(_) | Place::Id(_) | Place::Group { .. } | Place::Rows => true,
            // Role columns and what is not stored stay in the row unless they are mapped by name.
            Place::Version(_) | Place::Stamp(..) | Place::Nowhere => attrs.field.is_some(),
        };
        if !is_mapped {
            return Source::RowOnly { at: None, new: None };
        }
        let by = if let Some(module) = attrs.with {
            Conversion::With(module.value)
        } else if let Some(module) = attrs.try_with {
            Conversion::TryWith(module.value)
        } else if attrs.into.is_some() {
            Conversion::Into
        } else if attrs.try_into.is_some() {
            Conversion::TryInto
        } else if attrs.nested.is_some() {
            Conversion::Nested
        } else if attrs.wrapped.is_some() {
            Conversion::Wrapped
        } else if let Place::Rows = place {
            Conversion::Nested
        } else {
            Conversion::None
        };
        let member = attrs.field.map_or_else(|| Member::Named(ident.clone()), |field| field.value);
        Source::Mapped { member, by }
    }
}
