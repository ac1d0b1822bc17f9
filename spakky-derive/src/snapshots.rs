//! The expansions as files, so that a review sees how they change. That they work is tested in `ui-tests`.

use proc_macro2::TokenStream;
use quote::quote;

/// The expansion as rustfmt would show it.
#[track_caller]
fn formatted(expansion: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(expansion).unwrap())
}

#[test]
fn a_row_of_every_kind_of_column() {
    let expansion = crate::table::derive(quote! {
        #[table(
            name = "orders",
            unique(customer, ship.street),
            check(positive, "total > 0"),
            filterable(id, ship.street, seller.name),
            sortable(id)
        )]
        pub struct OrderRow {
            #[table(id)]
            id: OrderId,
            #[table(references(SellerRow))]
            seller_id: SellerId,
            #[table(references(CustomerRow, on_delete = cascade), index)]
            customer: CustomerId,
            #[table(json, column = "items")]
            lines: Vec<Line>,
            #[table(flatten(prefix = "ship_"))]
            ship: Address,
            #[table(skip)]
            cached: Option<u8>,
            #[table(version)]
            version: i64,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_row_of_a_tenant() {
    let expansion = crate::table::derive(quote! {
        #[table(tenanted, unique(tenant, email, where = live), unique(email))]
        struct CustomerRow {
            #[table(id)]
            id: i64,
            email: String,
            #[table(tenant)]
            tenant: TenantId,
            #[table(created_by)]
            created_by: String,
            #[table(updated_by)]
            updated_by: Option<UserId>,
            #[table(deleted_at)]
            deleted_at: Option<DateTime<Utc>>,
            #[table(deleted_by)]
            deleted_by: Option<UserId>,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn an_embedded_struct() {
    let expansion = crate::table::derive(quote! {
        #[table(embedded)]
        struct Address {
            street: String,
            #[table(flatten(prefix = "geo_"))]
            at: Point,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_mistake_beside_its_fallback() {
    let expansion = crate::table::derive(quote! {
        struct OrderRow {
            #[table(id, colum = "key")]
            id: OrderId,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_mapping_by_literal() {
    let expansion = crate::mappable::derive(quote! {
        #[mappable(domain = Order)]
        struct OrderRow {
            #[table(id)]
            id: OrderId,
            #[mappable(field = customer, into)]
            customer_id: Uuid,
            #[table(json)]
            #[mappable(nested)]
            lines: Vec<LineRow>,
            #[mappable(row_only)]
            note: Option<String>,
            #[table(version)]
            #[mappable(field = revision)]
            version: i64,
            #[table(created_at)]
            created_at: DateTime<Utc>,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_mapping_by_constructor_and_getters() {
    let expansion = crate::mappable::derive(quote! {
        #[mappable(domain = Order, try_construct = Order::restore, access = getters, primary)]
        struct OrderRow {
            #[table(id)]
            id: OrderId,
            #[mappable(try_with = money)]
            total: i64,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn an_enum_as_text_and_as_number() {
    let text = crate::column_value::derive(quote! {
        #[column(pg_type = "order_status")]
        enum Status { Draft, #[column(rename = "void")] Cancelled, #[column(other)] Unknown(String) }
    });
    let number = crate::column_value::derive(quote! {
        #[column(repr = i16)]
        enum Level { Low, High = 10 }
    });
    insta::assert_snapshot!(formatted(quote!(#text #number)));
}

#[test]
fn newtypes() {
    let plain = crate::column_value::derive(quote!(
        struct OrderId(Uuid);
    ));
    let generic = crate::column_value::derive(quote!(
        struct Id<T>(Uuid, PhantomData<T>);
    ));
    insta::assert_snapshot!(formatted(quote!(#plain #generic)));
}

#[test]
fn a_scope_around_a_method() {
    let expansion = crate::transactional::attribute(
        quote! { read_only, timeout = "1500ms", commit_on = PayError::Refused(_) },
        quote! {
            /// Pays.
            pub async fn pay(&self, id: OrderId) -> Result<(), PayError> {
                self.orders.get(id).await?.pay()
            }
        },
    );
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_scope_that_runs_again() {
    let expansion = crate::transactional::attribute(
        quote! { retry(attempts = 5, on = conflict), registry = "shop", map_err = PayError::Storage },
        quote! {
            async fn pay(self: Arc<Self>, mut id: OrderId, (a, ref b): Pair) -> Result<impl Display, PayError> {
                id.next();
                self.orders.get(id).await?.pay(a, b)
            }
        },
    );
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_scope_in_a_boxed_future() {
    let expansion = crate::transactional::attribute(
        quote! { sessions = self.sessions },
        quote! {
            fn pay<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<(), PayError>> + Send + 'a>> {
                let orders = self.orders();
                Box::pin(async move { orders.pay().await })
            }
        },
    );
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_read_model_of_every_kind_of_field() {
    let expansion = crate::projection::derive(quote! {
        #[projection(row = OrderRow, profiles(list, detail))]
        pub struct OrderView {
            id: OrderId,
            #[projection(column = ship.street)]
            street: String,
            #[projection(joined(CustomerRow.name, by = customer_id))]
            customer: String,
            #[projection(belongs_to(by = customer_id, profile = brief), profiles(detail))]
            owner: Loaded<CustomerView>,
            #[projection(has_many(by = order_id, order_by = (position desc, id)))]
            lines: Vec<LineView>,
            #[projection(many_to_many(through = OrderTagRow, from = order_id, to = tag_id))]
            tags: Vec<TagView>,
            #[projection(count(LineRow, by = order_id))]
            count: i64,
            #[projection(sum(LineRow.amount, by = order_id))]
            total: i64,
            #[projection(load = scores::load, depends_on(count))]
            score: Option<i32>,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}

#[test]
fn a_mistake_in_a_read_model_beside_its_fallback() {
    let expansion = crate::projection::derive(quote! {
        #[projection(row = OrderRow, profiles(list))]
        struct OrderView {
            #[projection(profiles(lists))]
            id: Loaded<OrderId>,
        }
    });
    insta::assert_snapshot!(formatted(expansion));
}
