//! One read model, as `#[derive(Projection)]` understood it.

use syn::ext::IdentExt;
use syn::{DeriveInput, ExprPath, Ident, LitInt, Path, Type, Visibility};

use super::attr::{ProjectedAttrs, ProjectionAttrs, SourceAttr};
use super::link::LinkAttr;
use crate::attr::{CratePath, Spanned};
use crate::diagnostics::Diagnostics;
use crate::keys::ProjectedKey;
use crate::syntax::input::named_fields;
use crate::table::attr::FieldPath;

/// A struct whose fields come from a row and from what is around it.
pub(crate) struct Projection {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) krate: CratePath,
    pub(crate) row: Type,
    pub(crate) profiles: Vec<Ident>,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) source: Source,
    /// The profiles that load it; `None` for all.
    pub(crate) profiles: Option<Vec<Ident>>,
    pub(crate) depends_on: Option<Spanned<Vec<Ident>>>,
}

/// Where a field's value comes from.
pub(crate) enum Source {
    Column(FieldPath),
    Joined {
        row: Path,
        column: FieldPath,
        by: FieldPath,
    },
    BelongsTo {
        by: FieldPath,
        profile: Option<Ident>,
    },
    HasOne {
        by: FieldPath,
        profile: Option<Ident>,
        which: Which,
    },
    HasMany {
        by: FieldPath,
        profile: Option<Ident>,
        which: Which,
    },
    ManyToMany {
        through: Path,
        from: FieldPath,
        to: FieldPath,
        profile: Option<Ident>,
        which: Which,
    },
    Count {
        row: Path,
        by: FieldPath,
        which: Which,
    },
    Exists {
        row: Path,
        by: FieldPath,
        which: Which,
    },
    Sum {
        row: Path,
        column: FieldPath,
        by: FieldPath,
        which: Which,
    },
    Load(ExprPath),
    /// A mistake that is reported.
    Broken,
}

/// Which of the related rows are meant.
#[derive(Default)]
pub(crate) struct Which {
    /// A function that makes their condition.
    pub(crate) filter: Option<ExprPath>,
    pub(crate) order: Vec<(FieldPath, bool)>,
    /// How many of them for each row.
    pub(crate) limit: Option<LitInt>,
}

impl Projection {
    pub(crate) fn from_ast(item: &DeriveInput, attrs: &ProjectionAttrs, diagnostics: &mut Diagnostics) -> Option<Self> {
        let named = named_fields(item, "Projection", diagnostics)?;
        let fields = named.into_iter().map(|named| {
            let attrs = ProjectedAttrs::from_ast(&named.field.attrs, diagnostics);
            Field::from_attrs(named.ident, &named.field.ty, attrs, diagnostics)
        });
        let fields = fields.collect();
        if attrs.row.is_none() {
            let message = "the row type is missing; name it with `#[projection(row = OrderRow)]`";
            diagnostics.error(&item.ident, message);
        }
        Some(Projection {
            ident: item.ident.clone(),
            vis: item.vis.clone(),
            krate: CratePath::given(attrs.krate.as_ref()),
            row: attrs.row.as_ref()?.value.clone()?,
            profiles: attrs.profiles.as_ref().map(|given| given.value.clone()).unwrap_or_default(),
            fields,
        })
    }

    /// The place of a field among the others.
    pub(crate) fn position(&self, name: &Ident) -> Option<usize> {
        self.fields.iter().position(|field| field.ident.unraw() == name.unraw())
    }

    /// The place of a profile among the others.
    pub(crate) fn profile(&self, name: &Ident) -> Option<usize> {
        self.profiles.iter().position(|profile| profile.unraw() == name.unraw())
    }
}

impl Field {
    fn from_attrs(ident: &Ident, ty: &Type, attrs: ProjectedAttrs, diagnostics: &mut Diagnostics) -> Self {
        let ProjectedAttrs { sources, depends_on, profiles, is_broken } = attrs;
        let mut sources = sources.into_iter();
        let first = sources.next();
        for later in sources {
            let earlier = first.as_ref().map(|first| first.key.unraw().to_string()).unwrap_or_default();
            let name = later.key.unraw();
            let message = if name == earlier {
                format!("`{name}` is given twice; remove one")
            } else {
                format!("`{name}` cannot be combined with `{earlier}`; remove one")
            };
            diagnostics.error(&later.key, message);
        }
        let source = match first {
            Some(given) => Source::from_attr(given.value),
            None if is_broken => Source::Broken,
            None => Source::Column(FieldPath { first: ident.clone(), rest: Vec::new() }),
        };
        Field { ident: ident.clone(), ty: ty.clone(), source, profiles: profiles.map(|given| given.value), depends_on }
    }
}

impl Source {
    /// The function of `Field` that makes one of this kind.
    pub(crate) fn constructor(&self) -> &'static str {
        match self {
            Source::Column(_) | Source::Broken => "column",
            Source::Joined { .. } => "joined",
            Source::BelongsTo { .. } => "belongs_to",
            Source::HasOne { .. } => "has_one",
            Source::HasMany { .. } => "has_many",
            Source::ManyToMany { .. } => "many_to_many",
            Source::Count { .. } => "count",
            Source::Exists { .. } => "exists",
            Source::Sum { .. } => "sum",
            Source::Load(_) => "load",
        }
    }

    fn from_attr(given: SourceAttr) -> Self {
        match given {
            SourceAttr::Column(path) => Source::Column(path),
            SourceAttr::Load(function) => Source::Load(function),
            SourceAttr::Link(key, link) => Source::from_link(key, link).unwrap_or(Source::Broken),
        }
    }

    fn from_link(key: ProjectedKey, link: LinkAttr) -> Option<Self> {
        let LinkAttr { row, column, by, profile, filter, order, limit, through, from, to } = link;
        let by = by.map(|by| by.value);
        let profile = profile.map(|profile| profile.value);
        let which = Which {
            filter: filter.map(|filter| filter.value),
            order: order.map(|order| order.value).unwrap_or_default(),
            limit: limit.map(|limit| limit.value),
        };
        Some(match key {
            ProjectedKey::Joined => Source::Joined { row: row?, column: column?, by: by? },
            ProjectedKey::BelongsTo => Source::BelongsTo { by: by?, profile },
            ProjectedKey::HasOne => Source::HasOne { by: by?, profile, which },
            ProjectedKey::HasMany => Source::HasMany { by: by?, profile, which },
            ProjectedKey::ManyToMany => {
                Source::ManyToMany { through: through?.value, from: from?.value, to: to?.value, profile, which }
            }
            ProjectedKey::Count => Source::Count { row: row?, by: by?, which },
            ProjectedKey::Exists => Source::Exists { row: row?, by: by?, which },
            ProjectedKey::Sum => Source::Sum { row: row?, column: column?, by: by?, which },
            ProjectedKey::Column | ProjectedKey::Load | ProjectedKey::DependsOn | ProjectedKey::Profiles => {
                return None;
            }
        })
    }
}
