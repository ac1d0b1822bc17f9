//! Enums, and what is stored in their place by others.

use spakky::prelude::*;
use spakky::{Backend, Error};

use super::on_both;
use super::place::{Place, plain};
use super::row::{Color, Level, Lists, Mood, Plain};
use super::sample::first;

/// Keeps what it does not know.
#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(rename_all = "UPPERCASE")]
enum Carrier {
    Post,
    #[column(other)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parcels")]
#[mappable(domain = Self)]
struct Parcel {
    #[table(id)]
    id: i64,
    carrier: Carrier,
    earlier: Vec<Carrier>,
}

async fn change(place: &Place, sql: &str) -> Result<u64, Error> {
    place.sessions.transaction(TransactionOptions::new(), async |session| session.sql(sql).execute().await).await
}

#[test]
fn variants_are_stored_as_text_number_or_native_value() {
    on_both(schema![Plain], async |place| {
        let row = Plain { color: Color::LightBlue, level: Level::Low, mood: Mood::SoSo, ..plain(1) };
        place.sessions.repository::<Plain>().autocommit().add_now(&mut row.clone()).await?;
        let stored: Vec<(String, i64, String)> =
            place.sessions.sql("SELECT color, level, mood FROM plain").fetch_all().await?;
        assert_eq!(stored, [("light_blue".to_owned(), -1, "so_so".to_owned())]);
        if place.backend() == Backend::Postgres {
            let types: Vec<(String, String)> = place
                .sessions
                .sql("SELECT pg_typeof(mood)::text, pg_typeof(level)::text FROM plain")
                .fetch_all()
                .await?;
            assert_eq!(types, [("mood".to_owned(), "smallint".to_owned())]);
        }
        Ok(())
    });
}

#[test]
fn rows_are_in_the_order_of_a_native_enum() {
    on_both(schema![Plain], async |place| {
        let rows = place.sessions.repository::<Plain>().autocommit();
        for (id, mood) in [(1, Mood::Glad), (2, Mood::SoSo), (3, Mood::Glad)] {
            rows.add_now(&mut Plain { mood, ..plain(id) }).await?;
        }
        let expected = [2, 1, 3];
        let query = || rows.query().order_by(Plain::COLUMNS.mood.asc());
        let ids = query().all().await?.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids, expected);
        let first = query().cursor_page(CursorRequest::first(2)).await?;
        let next = query().cursor_page(CursorRequest::first(2).at(first.next.unwrap())).await?;
        let walked: Vec<i64> = first.items.iter().chain(&next.items).map(|row| row.id).collect();
        assert_eq!(walked, expected);
        let mood = Plain::COLUMNS.mood;
        let (first, last) = (rows.query().min(mood).await?, rows.query().max(mood).await?);
        assert_eq!([first, last], [Some(Mood::SoSo), Some(Mood::Glad)]);
        Ok(())
    });
}

#[test]
fn an_unknown_variant_is_an_error_that_names_table_and_column() {
    on_both(schema![Plain, Lists], async |place| {
        let rows = place.sessions.repository::<Plain>();
        let lists = place.sessions.repository::<Lists>();
        rows.autocommit().add_now(&mut plain(1)).await?;
        lists.autocommit().add_now(&mut first(1)).await?;
        for (column, value, name, ty) in
            [("color", "'purple'", "purple", "Color"), ("level", "7", "7", "Level"), ("mood", "'sad'", "sad", "Mood")]
        {
            let before = rows.get(1).await?;
            change(&place, &format!("UPDATE plain SET {column} = {value}")).await?;
            let expected = format!("read column `{column}` of `plain`: the value is none of `{ty}`");
            let told = format!("`{name}` is not a value of `{ty}`");
            let options = TransactionOptions::new();
            place
                .sessions
                .transaction(options, async |_| {
                    let error = rows.get(1).await.unwrap_err();
                    assert!(error.is_mapping());
                    assert_eq!((error.table(), error.columns()), (Some("plain"), &[column.to_owned()][..]));
                    assert_eq!(error.to_string(), expected);
                    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), told);
                    // The transaction goes on.
                    assert_eq!(rows.query().count().await?, 1);
                    Ok::<_, Error>(())
                })
                .await?;
            change(&place, "DELETE FROM plain").await?;
            rows.autocommit().add_now(&mut before.clone()).await?;
        }
        let array = if place.backend() == Backend::Postgres { "'{red,purple}'" } else { "'[\"red\", \"purple\"]'" };
        change(&place, &format!("UPDATE lists SET color = {array}")).await?;
        let error = lists.get(1).await.unwrap_err();
        assert_eq!(error.to_string(), "read column `color` of `lists`: the value is none of `Color`");
        Ok(())
    });
}

#[test]
fn a_catch_all_variant_keeps_what_is_stored_through_a_save() {
    on_both(schema![Parcel], async |place| {
        let repo = place.sessions.repository::<Parcel>();
        let balloon = Carrier::Other("balloon \"{}\"".to_owned());
        let mut parcel = Parcel { id: 1, carrier: balloon.clone(), earlier: vec![Carrier::Post, balloon.clone()] };
        repo.autocommit().add_now(&mut parcel).await?;
        place
            .sessions
            .transaction(TransactionOptions::new(), async |_| {
                let mut loaded = repo.get(1).await?;
                assert_eq!(loaded, parcel);
                loaded.earlier.push(Carrier::Other("ship".to_owned()));
                repo.save(&mut loaded)
            })
            .await?;
        let stored = repo.filter(Parcel::COLUMNS.carrier.eq(balloon.clone())).one().await?;
        assert_eq!(stored.earlier, [Carrier::Post, balloon, Carrier::Other("ship".to_owned())]);
        Ok(())
    });
}
