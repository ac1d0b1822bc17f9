//! One table, or one group of columns, as `#[derive(Table)]` understood it.

use std::rc::Rc;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{DeriveInput, Ident, LitStr, Path, Type, Visibility};

use super::attr::{FieldPath, TableAttrs};
use super::default::DefaultAttr;
use super::field::{ColumnAttrs, exclude};
use super::name::{constant_name, constraint_name, primary_key_name};
use crate::attr::{CratePath, Spanned};
use crate::diagnostics::Diagnostics;
use crate::keys::{OnDeleteKey, UniqueWhereKey};
use crate::syntax::{case, ident, input};

/// A struct of columns.
pub(crate) struct Table {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) krate: CratePath,
    pub(crate) kind: Kind,
    pub(crate) fields: Vec<Field>,
}

/// A table of its own, or a part of others.
#[expect(clippy::large_enum_variant, reason = "one value for each use of the macro")]
pub(crate) enum Kind {
    Row(Row),
    Embedded(Embedded),
}

/// What only a table has.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The name as given; defaulted names have none.
    pub(crate) name_literal: Option<LitStr>,
    pub(crate) schema: Option<LitStr>,
    /// `tenanted` as written, which asks for a tenant column.
    pub(crate) tenanted: Option<Ident>,
    pub(crate) renamed_from: Option<LitStr>,
    pub(crate) key_name: String,
    pub(crate) uniques: Vec<Constraint<Unique>>,
    pub(crate) indexes: Vec<Constraint<Index>>,
    pub(crate) checks: Vec<Constraint<LitStr>>,
    pub(crate) foreign_keys: Vec<Constraint<ForeignKey>>,
    pub(crate) filterable: Vec<FieldPath>,
    pub(crate) sortable: Vec<FieldPath>,
    pub(crate) diesel: Option<Diesel>,
}

/// The table as diesel knows it.
pub(crate) struct Diesel {
    /// `diesel` as written.
    pub(crate) at: Ident,
    /// A `table!` that is there.
    pub(crate) path: Option<Path>,
}

/// An embedded struct, with the keys it must not have.
pub(crate) struct Embedded {
    pub(crate) refused: Vec<Ident>,
}

/// A constraint or index with its name.
pub(crate) struct Constraint<T> {
    /// Where a mistake is reported.
    pub(crate) at: Ident,
    pub(crate) name: String,
    pub(crate) name_literal: Option<LitStr>,
    /// The name of the constant on the row type.
    pub(crate) constant: String,
    pub(crate) body: T,
}

pub(crate) struct Unique {
    pub(crate) columns: Vec<FieldPath>,
    /// `where` as written, if deleted rows are no part of it.
    pub(crate) live: Option<Ident>,
}

pub(crate) struct Index {
    /// Fields, and whether the order is descending.
    pub(crate) columns: Vec<(FieldPath, bool)>,
    pub(crate) filter: Option<LitStr>,
}

pub(crate) struct ForeignKey {
    pub(crate) field: Ident,
    pub(crate) row: Path,
    pub(crate) on_delete: Option<OnDeleteKey>,
}

/// A field of the struct.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) kind: FieldKind,
}

pub(crate) enum FieldKind {
    Column(Column),
    Flatten(Flatten),
    Relation(Relation),
    Skip,
}

/// Rows of another table.
pub(crate) struct Relation {
    /// `has_many` or `has_one`, where a mistake is reported.
    pub(crate) at: Ident,
    /// The children's foreign key; `None` is reported.
    pub(crate) by: Option<Ident>,
    pub(crate) order: Vec<(FieldPath, bool)>,
    pub(crate) unversioned: bool,
}

pub(crate) struct Flatten {
    pub(crate) prefix: Option<LitStr>,
}

pub(crate) struct Column {
    pub(crate) name: String,
    /// The name as given; defaulted names have none.
    pub(crate) name_literal: Option<LitStr>,
    pub(crate) renamed_from: Option<LitStr>,
    pub(crate) storage: Storage,
    pub(crate) generated: Option<Ident>,
    pub(crate) references: Option<Reference>,
    pub(crate) default: Option<Rc<DefaultAttr>>,
    pub(crate) length: Option<u32>,
    /// Keys that an embedded struct cannot have.
    pub(crate) table_keys: Vec<Ident>,
}

/// The type a `references(..)` field is compared with.
pub(crate) struct Reference {
    pub(crate) row: Path,
    pub(crate) set_null: bool,
}

/// How a column's value is stored, and what the runtime does with it.
pub(crate) enum Storage {
    Plain,
    Id,
    Version(Ident),
    Stamp(Stamp, Ident),
    Json,
}

/// What the runtime writes into a column by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    CreatedAt,
    UpdatedAt,
    CreatedBy,
    UpdatedBy,
    DeletedAt,
    DeletedBy,
    Tenant,
}

impl Stamp {
    /// The trait of the column's types.
    pub(crate) fn column_trait(self) -> TokenStream {
        match self {
            Stamp::CreatedAt | Stamp::UpdatedAt => quote!(__p::StampColumn),
            Stamp::CreatedBy | Stamp::UpdatedBy => quote!(__p::ActorColumn),
            Stamp::DeletedAt => quote!(__p::DeletedAtColumn),
            Stamp::DeletedBy => quote!(__p::DeleterColumn),
            Stamp::Tenant => quote!(__p::TenantColumn),
        }
    }

    /// The role in the column's description.
    pub(crate) fn role(self) -> TokenStream {
        match self {
            Stamp::CreatedAt => quote!(__p::Role::CreatedAt),
            Stamp::UpdatedAt => quote!(__p::Role::UpdatedAt),
            Stamp::CreatedBy => quote!(__p::Role::CreatedBy),
            Stamp::UpdatedBy => quote!(__p::Role::UpdatedBy),
            Stamp::DeletedAt => quote!(__p::Role::DeletedAt),
            Stamp::DeletedBy => quote!(__p::Role::DeletedBy),
            Stamp::Tenant => quote!(__p::Role::Tenant),
        }
    }
}

impl Table {
    pub(crate) fn from_ast(item: &DeriveInput, diagnostics: &mut Diagnostics) -> Option<Self> {
        let attrs = TableAttrs::from_ast(&item.attrs, diagnostics);
        let named = input::named_fields(item, "Table", diagnostics)?;
        let fields: Vec<(Field, ColumnAttrs)> = named
            .into_iter()
            .map(|named| {
                let attrs = ColumnAttrs::from_ast(&named.field.attrs, diagnostics);
                let kind = FieldKind::from_attrs(named.ident, &attrs, diagnostics);
                (Field { ident: named.ident.clone(), ty: named.field.ty.clone(), kind }, attrs)
            })
            .collect();
        let kind = match &attrs.embedded {
            Some(_) => Kind::Embedded(Embedded::from_attrs(&attrs)),
            None => Kind::Row(Row::from_attrs(&item.ident, &attrs, &fields)),
        };
        Some(Table {
            ident: item.ident.clone(),
            vis: item.vis.clone(),
            krate: CratePath::new(attrs.krate),
            kind,
            fields: fields.into_iter().map(|(field, _)| field).collect(),
        })
    }

    /// The fields that are columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&Field, &Column)> {
        self.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::Column(column) => Some((field, column)),
            FieldKind::Flatten(_) | FieldKind::Relation(_) | FieldKind::Skip => None,
        })
    }

    /// The fields that hold rows of other tables.
    pub(crate) fn relations(&self) -> impl Iterator<Item = (&Field, &Relation)> {
        self.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::Relation(relation) => Some((field, relation)),
            FieldKind::Column(_) | FieldKind::Flatten(_) | FieldKind::Skip => None,
        })
    }

    /// The columns of the primary key.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&Field, &Column)> {
        self.columns().filter(|(_, column)| matches!(column.storage, Storage::Id))
    }

    /// Whether a column has this stamp.
    pub(crate) fn has_stamp(&self, wanted: Stamp) -> bool {
        self.columns().any(|(_, column)| matches!(column.storage, Storage::Stamp(stamp, _) if stamp == wanted))
    }

    pub(crate) fn field(&self, name: &Ident) -> Option<&Field> {
        self.fields.iter().find(|field| ident::plain(&field.ident) == ident::plain(name))
    }
}

impl Table {
    /// The row that a path such as `customer.name` leads to, by the field `customer_id` that refers to it, or a path such
    /// as `lines.sku`, by the field that holds the rows.
    pub(crate) fn related(&self, row: &Row, path: &FieldPath) -> Option<TokenStream> {
        if let Some(field) = self.field(&path.first) {
            return match &field.kind {
                FieldKind::Relation(_) if !path.rest.is_empty() => Some(child_row(field)),
                _ => None,
            };
        }
        let key = format!("{}_id", ident::plain(&path.first));
        let key = row.foreign_keys.iter().find(|foreign_key| ident::plain(&foreign_key.body.field) == key)?;
        Some(key.body.row.to_token_stream())
    }
}

impl FieldKind {
    fn from_attrs(field: &Ident, attrs: &ColumnAttrs, diagnostics: &mut Diagnostics) -> Self {
        for (position, later) in attrs.given.iter().enumerate() {
            if let Some(earlier) = attrs.given[..position].iter().find(|earlier| exclude(earlier.value, later.value)) {
                let (earlier, later) = (ident::plain(&earlier.key), &later.key);
                diagnostics
                    .error(later, format!("`{}` cannot be combined with `{earlier}`; remove one", ident::plain(later)));
            }
        }
        if attrs.skip.is_some() {
            return FieldKind::Skip;
        }
        if let Some(flatten) = &attrs.flatten {
            return FieldKind::Flatten(Flatten { prefix: flatten.value.clone() });
        }
        if let Some(Spanned { key, value }) = &attrs.relation {
            return FieldKind::Relation(Relation {
                at: key.clone(),
                by: value.by.clone(),
                order: value.order.clone(),
                unversioned: value.unversioned,
            });
        }
        FieldKind::Column(Column::from_attrs(field, attrs))
    }
}

impl Column {
    fn from_attrs(field: &Ident, attrs: &ColumnAttrs) -> Self {
        let name_literal = attrs.column.as_ref().map(|column| column.value.clone());
        let key = |slot: &Option<Spanned<()>>| slot.as_ref().map(|given| given.key.clone());
        let stamps = [
            (Stamp::CreatedAt, &attrs.created_at),
            (Stamp::UpdatedAt, &attrs.updated_at),
            (Stamp::CreatedBy, &attrs.created_by),
            (Stamp::UpdatedBy, &attrs.updated_by),
            (Stamp::DeletedAt, &attrs.deleted_at),
            (Stamp::DeletedBy, &attrs.deleted_by),
            (Stamp::Tenant, &attrs.tenant),
        ];
        let stamp = stamps.into_iter().find_map(|(stamp, given)| Some(Storage::Stamp(stamp, key(given)?)));
        let storage = if attrs.id.is_some() {
            Storage::Id
        } else if let Some(at) = key(&attrs.version) {
            Storage::Version(at)
        } else if let Some(stamp) = stamp {
            stamp
        } else if attrs.json.is_some() {
            Storage::Json
        } else {
            Storage::Plain
        };
        let references = attrs.references.as_ref().map(|given| Reference {
            row: given.value.row.clone(),
            set_null: given.value.on_delete.as_ref().is_some_and(|action| action.value == OnDeleteKey::SetNull),
        });
        Column {
            name: name_literal.as_ref().map_or_else(|| ident::plain(field), LitStr::value),
            name_literal,
            renamed_from: attrs.renamed_from.as_ref().map(|name| name.value.clone()),
            storage,
            generated: key(&attrs.generated),
            references,
            default: attrs.default.as_ref().map(|default| Rc::clone(&default.value)),
            length: attrs.length.as_ref().map(|length| length.value),
            table_keys: attrs
                .given
                .iter()
                .filter(|given| given.value.is_of_table())
                .map(|given| given.key.clone())
                .collect(),
        }
    }
}

impl Embedded {
    fn from_attrs(attrs: &TableAttrs) -> Self {
        let names =
            [&attrs.name, &attrs.schema, &attrs.renamed_from].into_iter().flatten().map(|given| given.key.clone());
        let names = names.chain(attrs.tenanted.iter().map(|given| given.key.clone()));
        let lists = (attrs.indexes.iter().map(|given| given.key.clone()))
            .chain(attrs.uniques.iter().map(|given| given.key.clone()))
            .chain(attrs.checks.iter().map(|given| given.key.clone()));
        let fields = [&attrs.filterable, &attrs.sortable].into_iter().flatten().map(|given| given.key.clone());
        let fields = fields.chain(attrs.diesel.iter().map(|given| given.key.clone()));
        Embedded { refused: names.chain(lists).chain(fields).collect() }
    }
}

impl Row {
    fn from_attrs(row: &Ident, attrs: &TableAttrs, fields: &[(Field, ColumnAttrs)]) -> Self {
        let name_literal = attrs.name.as_ref().map(|name| name.value.clone());
        let name = name_literal.as_ref().map_or_else(|| default_name(row), LitStr::value);
        let column_name = |path: &FieldPath| {
            let column = fields
                .iter()
                .map(|(field, _)| field)
                .find(|field| path.rest.is_empty() && ident::plain(&field.ident) == ident::plain(&path.first));
            match column.map(|field| &field.kind) {
                Some(FieldKind::Column(column)) => column.name.clone(),
                Some(FieldKind::Flatten(_) | FieldKind::Relation(_) | FieldKind::Skip) | None => {
                    path.idents().map(ident::plain).collect::<Vec<_>>().join("_")
                }
            }
        };
        let constraint = |kind: &str, at: &Ident, given: Option<&Spanned<LitStr>>, paths: Vec<&FieldPath>| {
            let columns: Vec<_> = paths.iter().map(|path| column_name(path)).collect();
            let fields: Vec<_> = paths.iter().flat_map(|path| path.idents()).map(ident::plain).collect();
            let name_literal = given.map(|given| given.value.clone());
            let defaulted = constraint_name(kind, &name, &columns);
            Constraint {
                at: at.clone(),
                constant: constant_name(kind, name_literal.as_ref().map(LitStr::value).as_deref(), &fields),
                name: name_literal.as_ref().map_or(defaulted, LitStr::value),
                name_literal,
                body: (),
            }
        };

        let mut made = Row {
            key_name: primary_key_name(&name),
            schema: attrs.schema.as_ref().map(|schema| schema.value.clone()),
            tenanted: attrs.tenanted.as_ref().map(|given| given.key.clone()),
            renamed_from: attrs.renamed_from.as_ref().map(|name| name.value.clone()),
            uniques: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            filterable: attrs.filterable.as_ref().map(|given| given.value.clone()).unwrap_or_default(),
            sortable: attrs.sortable.as_ref().map(|given| given.value.clone()).unwrap_or_default(),
            diesel: attrs.diesel.as_ref().map(|given| Diesel { at: given.key.clone(), path: given.value.clone() }),
            name_literal,
            name: name.clone(),
        };
        let columns = fields.iter().filter(|(field, _)| !matches!(field.kind, FieldKind::Relation(_)));
        for (field, column) in columns {
            let path = FieldPath { first: field.ident.clone(), rest: Vec::new() };
            if let Some(given) = &column.unique {
                let named = constraint("uq", &given.key, None, vec![&path]);
                made.uniques.push(named.with(Unique { columns: vec![path.clone()], live: None }));
            }
            if let Some(given) = &column.index {
                let named = constraint("ix", &given.key, None, vec![&path]);
                made.indexes.push(named.with(Index { columns: vec![(path.clone(), false)], filter: None }));
            }
            if let Some(given) = &column.references {
                let named = constraint("fk", &given.key, None, vec![&path]);
                made.foreign_keys.push(named.with(ForeignKey {
                    field: field.ident.clone(),
                    row: given.value.row.clone(),
                    on_delete: given.value.on_delete.as_ref().map(|action| action.value),
                }));
            }
        }
        for given in &attrs.uniques {
            let unique = &given.value;
            let named = constraint("uq", &given.key, unique.name.as_ref(), unique.columns.iter().collect());
            made.uniques.push(named.with(Unique {
                columns: unique.columns.clone(),
                live: unique.filter.as_ref().map(|filter| match filter.value {
                    UniqueWhereKey::Live => filter.key.clone(),
                }),
            }));
        }
        for given in &attrs.indexes {
            let index = &given.value;
            let paths = index.columns.iter().map(|column| &column.path).collect();
            let named = constraint("ix", &given.key, index.name.as_ref(), paths);
            made.indexes.push(named.with(Index {
                columns: index.columns.iter().map(|column| (column.path.clone(), column.descending)).collect(),
                filter: index.filter.as_ref().map(|filter| filter.value.clone()),
            }));
        }
        for given in &attrs.checks {
            let check = ident::plain(&given.value.name);
            made.checks.push(Constraint {
                at: given.value.name.clone(),
                name: constraint_name("ck", &name, std::slice::from_ref(&check)),
                name_literal: None,
                constant: constant_name("ck", None, std::slice::from_ref(&check)),
                body: given.value.sql.clone(),
            });
        }
        made
    }
}

impl Constraint<()> {
    fn with<T>(self, body: T) -> Constraint<T> {
        Constraint { at: self.at, name: self.name, name_literal: self.name_literal, constant: self.constant, body }
    }
}

/// The struct's name in snake case, without a `Row` suffix.
fn default_name(row: &Ident) -> String {
    let name = ident::plain(row);
    case::snake(name.strip_suffix("Row").filter(|name| !name.is_empty()).unwrap_or(&name))
}

/// The row type of the children: `<Vec<OrderLineRow> as ChildRows>::Row`.
pub(crate) fn child_row(field: &Field) -> TokenStream {
    input::projection(&field.ty, &quote!(__p::ChildRows), "Row")
}
