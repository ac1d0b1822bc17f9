//! What stands inside `has_many(..)`, `count(..)` and their like.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{ExprPath, Ident, LitInt, Path, Token};

use crate::attr::{Entry, Spanned, parse_keys, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{
    Keys, ProjectedBelongsToKey, ProjectedCountKey, ProjectedExistsKey, ProjectedHasManyKey, ProjectedHasOneKey,
    ProjectedJoinedKey, ProjectedManyToManyKey, ProjectedSumKey,
};
use crate::table::attr::FieldPath;
use crate::table::field::parse_order;

/// The greatest `limit`.
const MOST_ROWS: u64 = 1_000_000;

/// A relation as written.
#[derive(Default)]
pub(crate) struct LinkAttr {
    /// The row type of the other table, where the field's type does not say it.
    pub(crate) row: Option<Path>,
    /// Its column.
    pub(crate) column: Option<FieldPath>,
    pub(crate) by: Option<Spanned<FieldPath>>,
    pub(crate) profile: Option<Spanned<Ident>>,
    pub(crate) filter: Option<Spanned<ExprPath>>,
    pub(crate) order: Option<Spanned<Vec<(FieldPath, bool)>>>,
    pub(crate) limit: Option<Spanned<LitInt>>,
    pub(crate) through: Option<Spanned<Path>>,
    pub(crate) from: Option<Spanned<FieldPath>>,
    pub(crate) to: Option<Spanned<FieldPath>>,
}

/// What a key needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `by = field`
    Own,
    /// `OtherRow, by = field`
    Row,
    /// `OtherRow.field, by = field`
    Column,
    /// `through = LinkRow, from = field, to = field`
    Through,
}

impl Shape {
    fn example(self) -> &'static str {
        match self {
            Shape::Own => "by = field",
            Shape::Row => "OtherRow, by = field",
            Shape::Column => "OtherRow.field, by = field",
            Shape::Through => "through = LinkRow, from = field, to = field",
        }
    }
}

/// The keys of all relations.
pub(crate) enum Part {
    By,
    Profile,
    Filter,
    OrderBy,
    Limit,
    Through,
    From,
    To,
}

/// The keys of one relation.
pub(crate) trait LinkKeys: Keys {
    fn part(self) -> Part;
}

macro_rules! link_keys {
    ($($name:ident { $($part:ident)+ })+) => {$(
        impl LinkKeys for $name {
            fn part(self) -> Part {
                match self {
                    $($name::$part => Part::$part,)+
                }
            }
        }
    )+};
}

link_keys! {
    ProjectedJoinedKey { By }
    ProjectedBelongsToKey { By Profile }
    ProjectedHasOneKey { By Filter OrderBy Profile }
    ProjectedHasManyKey { By Filter OrderBy Limit Profile }
    ProjectedManyToManyKey { Through From To Filter OrderBy Limit Profile }
    ProjectedCountKey { By Filter }
    ProjectedExistsKey { By Filter }
    ProjectedSumKey { By Filter }
}

impl LinkAttr {
    pub(crate) fn parse<K: LinkKeys>(
        entry: &Entry<'_>,
        shape: Shape,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<Self> {
        let mut link = LinkAttr::default();
        let mut tokens = entry.list(shape.example())?;
        let wanted = || format!("`{0}` needs more; write `{0}({1})`", entry.key.unraw(), shape.example());
        if matches!(shape, Shape::Row | Shape::Column) {
            let head = |input: ParseStream<'_>| parse_head(input, shape == Shape::Column);
            let (row, column, rest) = head.parse2(tokens).map_err(|error| syn::Error::new(error.span(), wanted()))?;
            (link.row, link.column, tokens) = (Some(row), column, rest);
        }
        let before = diagnostics.count();
        parse_keys::<K>(tokens, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            link.set(key.part(), entry, diagnostics)
        });
        let is_complete = match shape {
            Shape::Own | Shape::Row | Shape::Column => link.by.is_some(),
            Shape::Through => link.through.is_some() && link.from.is_some() && link.to.is_some(),
        };
        if !is_complete && diagnostics.count() == before {
            return Err(syn::Error::new(entry.key.span(), wanted()));
        }
        Ok(link)
    }

    fn set(&mut self, part: Part, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let at = &entry.key;
        let field = || entry.value_with("field", FieldPath::parse);
        match part {
            Part::By => set_once(&mut self.by, at, field()?, diagnostics),
            Part::From => set_once(&mut self.from, at, field()?, diagnostics),
            Part::To => set_once(&mut self.to, at, field()?, diagnostics),
            Part::Profile => {
                set_once(&mut self.profile, at, entry.value_with("name", Ident::parse_any)?, diagnostics);
            }
            Part::Filter => {
                set_once(&mut self.filter, at, entry.value("path::to::function")?, diagnostics);
            }
            Part::Limit => {
                let limit: LitInt = entry.value("3")?;
                if !limit.base10_parse::<u64>().is_ok_and(|limit| (1..=MOST_ROWS).contains(&limit)) {
                    let message = format!("a limit is 1 to {MOST_ROWS} rows, of each row that they belong to");
                    diagnostics.error(&limit, message);
                }
                set_once(&mut self.limit, at, limit, diagnostics);
            }
            Part::OrderBy => {
                set_once(&mut self.order, at, entry.value_with("(field, other desc)", parse_order)?, diagnostics);
            }
            Part::Through => {
                let row = entry.value_with("LinkRow", Path::parse_mod_style)?;
                set_once(&mut self.through, at, row, diagnostics);
            }
        }
        Ok(())
    }
}

/// `OtherRow` or `OtherRow.field`, and what stands behind it.
fn parse_head(input: ParseStream<'_>, has_column: bool) -> syn::Result<(Path, Option<FieldPath>, TokenStream)> {
    // `by = …` is no row type.
    if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
        return Err(input.error("expected a row type"));
    }
    let row = input.call(Path::parse_mod_style)?;
    let column = if has_column {
        input.parse::<Token![.]>()?;
        Some(FieldPath::parse(input)?)
    } else {
        None
    };
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok((row, column, input.parse()?))
}
