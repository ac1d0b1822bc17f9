//! Arrays: of their own type on PostgreSQL, JSON text on SQLite.

use chrono::NaiveDate;
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::on_both;
use super::row::{Lists, MaybeLists, Mood, Sparse};
use super::sample::{SPECIAL, first};

#[test]
fn texts_in_arrays_are_kept_whatever_is_in_them() {
    on_both(schema![Lists, Sparse], async |place| {
        let texts: Vec<String> = SPECIAL.iter().map(|text| (*text).to_owned()).collect();
        let lists = place.sessions.repository::<Lists>();
        let row = |id| Lists { text: texts.clone(), ..first(id) };
        lists.autocommit().add_now(&mut row(1)).await?;
        lists.autocommit().add_all_now(&mut [row(2), row(3)]).await?;
        assert!(lists.query().all().await?.iter().all(|row| row.text == texts));
        assert_eq!(lists.filter(Lists::COLUMNS.text.eq(&texts)).count().await?, 3);

        // The word is a text, the missing item is none.
        let sparse = place.sessions.repository::<Sparse>();
        let items = vec![Some("NULL".to_owned()), None, Some(String::new()), Some("null".to_owned())];
        let row = |id| Sparse { text: items.clone(), ..first(id) };
        sparse.autocommit().add_all_now(&mut [row(1), row(2)]).await?;
        assert_eq!(sparse.get(2).await?.text, items);
        Ok(())
    });
}

#[test]
fn a_zero_in_an_array_is_found_whatever_its_sign() {
    on_both(schema![Lists], async |place| {
        let repo = place.sessions.repository::<Lists>();
        let row = |id, zero: f64| Lists { single: vec![zero as f32, -1.5], double: vec![zero], ..first(id) };
        repo.autocommit().add_all_now(&mut [row(1, 0.0), row(2, -0.0)]).await?;
        for zero in [0.0, -0.0] {
            assert_eq!(repo.filter(Lists::COLUMNS.single.eq(vec![zero as f32, -1.5])).count().await?, 2);
            assert_eq!(repo.filter(Lists::COLUMNS.double.eq(vec![zero])).count().await?, 2);
        }
        assert_eq!(repo.query().all().await?, [row(1, 0.0), row(2, 0.0)]);
        Ok(())
    });
}

#[test]
fn arrays_of_one_batch_differ_in_length_and_may_be_empty_or_missing() {
    on_both(schema![MaybeLists], async |place| {
        let repo = place.sessions.repository::<MaybeLists>();
        let of = |length: i64| MaybeLists {
            large: (length >= 0).then(|| (0..length).map(|item| item - 1).collect()),
            day: (length >= 0).then(|| (0..length).map(|_| NaiveDate::from_ymd_opt(1, 1, 1).unwrap()).collect()),
            mood: (length >= 0).then(|| (0..length).map(|_| Mood::SoSo).collect()),
            ..first(length)
        };
        let lengths = [-1, 0, 1, 2, 5_000];
        repo.autocommit().add_all_now(&mut lengths.map(of)).await?;
        for length in lengths {
            assert_eq!(repo.get(length).await?, of(length));
        }
        // Each takes over what another had.
        place
            .sessions
            .transaction(TransactionOptions::new(), async |_| {
                let mut rows = repo.get_many(lengths).await?;
                for (row, other) in rows.iter_mut().zip(lengths.into_iter().rev()) {
                    *row = MaybeLists { id: row.id, ..of(other) };
                }
                repo.save_all(&mut rows)
            })
            .await?;
        for (id, other) in lengths.into_iter().zip(lengths.into_iter().rev()) {
            assert_eq!(repo.get(id).await?, MaybeLists { id, ..of(other) });
        }
        assert_eq!(repo.filter(MaybeLists::COLUMNS.large.is_null()).one().await?.id, 5_000);
        assert_eq!(repo.filter(MaybeLists::COLUMNS.large.eq(Vec::new())).one().await?.id, 2);
        Ok(())
    });
}

#[test]
fn an_array_that_is_none_to_rust_is_an_error_that_names_table_and_column() {
    on_both(schema![Lists], async |place| {
        let repo = place.sessions.repository::<Lists>();
        repo.autocommit().add_now(&mut first(1)).await?;
        let (changes, reasons) = match place.backend() {
            Backend::Postgres => (
                ["'{{1,2},{3,4}}'", "'{1,NULL}'"],
                [
                    "an array of 2 dimensions cannot be read; cast it to json",
                    "unexpected null, expected int8; use an `Option` for a nullable column",
                ],
            ),
            _ => (
                ["'{\"a\": 1}'", "'[1, null]'"],
                [
                    "the stored text is not a JSON array of I64",
                    "unexpected null, expected int8; use an `Option` for a nullable column",
                ],
            ),
        };
        for (change, reason) in changes.into_iter().zip(reasons) {
            place
                .sessions
                .transaction(TransactionOptions::new(), async |session| {
                    session.sql(format!("UPDATE lists SET large = {change}")).execute().await
                })
                .await?;
            let error = repo.get(1).await.unwrap_err();
            assert_eq!(error.to_string(), format!("read column `large` of `lists`: {reason}"));
        }
        Ok::<_, Error>(())
    });
}
