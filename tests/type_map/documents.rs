//! JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Document, json};
use spakky::Error;
use spakky::prelude::*;

use super::on_both;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: f64 },
    Group { parts: Vec<Shape>, note: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "drawings")]
#[mappable(domain = Self)]
struct Drawing {
    #[table(id)]
    id: i64,
    document: Document,
    optional: Option<Document>,
    wrapped: Json<Vec<Shape>>,
    #[table(json)]
    marked: Shape,
}

fn drawing(id: i64, document: Document) -> Drawing {
    let parts = vec![Shape::Circle { radius: 1e300 }, Shape::Group { parts: Vec::new(), note: None }];
    let marked = Shape::Group { parts, note: Some("\"quoted\" \\ {}".to_owned()) };
    Drawing { id, document, optional: None, wrapped: Json(vec![marked.clone()]), marked }
}

fn nested(depth: usize) -> Document {
    (0..depth)
        .fold(json!("innermost"), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
}

#[test]
fn documents_of_any_shape_are_kept() {
    on_both(schema![Drawing], async |place| {
        let repo = place.sessions.repository::<Drawing>();
        let documents = [
            json!(null),
            json!(false),
            json!(""),
            json!([]),
            json!({}),
            json!({ "": { " ": [null, [], {}, ""] }, "é\"\\": "\u{1}\u{1f600}" }),
            json!([i64::MIN, u64::MAX, 0.1, 1e17, -1e300, 5e-324, 1.0]),
            nested(127),
        ];
        let mut drawings: Vec<Drawing> =
            (1..).zip(&documents).map(|(id, document)| drawing(id, document.clone())).collect();
        repo.autocommit().add_all_now(&mut drawings).await?;
        for (id, document) in (1..).zip(&documents) {
            let stored = repo.get(id).await?;
            assert_eq!(stored, drawing(id, document.clone()));
            let same = repo.filter(Drawing::COLUMNS.document.eq(document)).all().await?;
            assert_eq!(same, [stored], "{document}");
        }
        Ok(())
    });
}

#[test]
fn the_order_of_keys_makes_no_difference() {
    on_both(schema![Drawing], async |place| {
        let repo = place.sessions.repository::<Drawing>();
        let document: Document = serde_json::from_str(r#"{"b": 1, "a": {"d": 2, "c": 3}}"#).unwrap();
        repo.autocommit().add_now(&mut drawing(1, document)).await?;
        let other: Document = serde_json::from_str(r#"{"a": {"c": 3, "d": 2}, "b": 1}"#).unwrap();
        assert!(repo.filter(Drawing::COLUMNS.document.eq(&other)).exists().await?);
        Ok(())
    });
}

#[test]
fn no_document_and_a_document_that_is_null_are_two_things() {
    on_both(schema![Drawing], async |place| {
        let repo = place.sessions.repository::<Drawing>();
        let with = |id, optional| Drawing { optional, ..drawing(id, json!(1)) };
        repo.autocommit().add_all_now(&mut [with(1, None), with(2, Some(Document::Null))]).await?;
        assert_eq!(repo.get(1).await?.optional, None);
        assert_eq!(repo.get(2).await?.optional, Some(Document::Null));
        assert_eq!(repo.filter(Drawing::COLUMNS.optional.is_null()).one().await?.id, 1);
        assert_eq!(repo.filter(Drawing::COLUMNS.optional.eq(Some(Document::Null))).one().await?.id, 2);
        Ok(())
    });
}

#[test]
fn what_json_cannot_hold_is_refused_and_nothing_is_written() {
    on_both(schema![Drawing], async |place| {
        let repo = place.sessions.repository::<Drawing>();
        let with = |document| drawing(1, document);
        let radius = |radius| Drawing { wrapped: Json(vec![Shape::Circle { radius }]), ..drawing(1, json!(1)) };
        let marked = Drawing { marked: Shape::Circle { radius: f64::NAN }, ..drawing(1, json!(1)) };
        let float =
            "the value does not serialize to JSON: a float in it is NaN or infinite, which JSON has no numbers for";
        for (mut drawing, column, reason) in [
            (with(json!(["a\0b"])), "document", "JSON with a NUL character in a string cannot be stored"),
            (with(json!({ "a\0": 1 })), "document", "JSON with a NUL character in a key cannot be stored"),
            (with(nested(128)), "document", "JSON that is nested more than 127 levels deep could not be read back"),
            (radius(f64::INFINITY), "wrapped", float),
            (marked, "marked", float),
        ] {
            let error = repo.autocommit().add_now(&mut drawing).await.unwrap_err();
            assert!(error.is_mapping());
            assert_eq!(error.to_string(), format!("store column `{column}` of `drawings`: {reason}"));
        }
        assert_eq!(repo.query().count().await?, 0);
        Ok(())
    });
}

#[test]
fn a_stored_document_of_another_shape_is_an_error_that_names_table_and_column() {
    on_both(schema![Drawing], async |place| {
        let repo = place.sessions.repository::<Drawing>();
        repo.autocommit().add_now(&mut drawing(1, json!(1))).await?;
        place
            .sessions
            .transaction(TransactionOptions::new(), async |session| {
                session.sql("UPDATE drawings SET marked = '{\"kind\": \"Square\"}'").execute().await
            })
            .await?;
        let error = repo.get(1).await.unwrap_err();
        assert_eq!(
            (error.is_mapping(), error.table(), error.columns()),
            (true, Some("drawings"), &["marked".to_owned()][..])
        );
        assert_eq!(
            error.to_string(),
            "read column `marked` of `drawings`: the stored JSON does not have the expected shape"
        );
        Ok::<_, Error>(())
    });
}
