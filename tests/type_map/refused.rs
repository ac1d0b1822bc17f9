//! What cannot be stored is refused where it is queued, by table and column, and nothing is written.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::on_both;
use super::place::plain;
use super::row::{Code, Lists, Optional, Plain, Sparse};
use super::sample::first;

const NUL: &str = "text with a NUL character cannot be stored; remove it or store bytes";
const NAN: &str = "a NaN cannot be stored on SQLite, which reads it back as null; store a null or refuse it earlier";

/// Adds a good row and the bad one, alone and with others, and makes sure that neither is stored.
async fn refused<Row>(sessions: &SessionManager, good: Row, bad: Row, column: &str, reason: &str) -> Result<(), Error>
where
    Row: Table + Mappable<Domain = Row> + std::fmt::Debug,
{
    let repo = sessions.repository::<Row>();
    let table = Row::descriptor().name;
    let check = |error: Error| {
        assert!(error.is_mapping(), "{error:?}");
        assert_eq!(error.to_string(), format!("store column `{column}` of `{table}`: {reason}"));
        assert_eq!((error.table(), error.columns()), (Some(table), &[column.to_owned()][..]));
        assert_eq!(error.http_status(), 422);
    };
    check(repo.autocommit().add_all_now([&mut good.clone(), &mut bad.clone()]).await.unwrap_err());
    if !Row::descriptor().generates_key() {
        check(repo.autocommit().upsert_now(&mut bad.clone()).await.unwrap_err());
    }
    let options = TransactionOptions::new();
    let ended = sessions
        .transaction(options, async |_| {
            repo.add(&mut good.clone())?;
            repo.add(&mut bad.clone())
        })
        .await;
    check(ended.unwrap_err());
    assert_eq!(repo.query().count().await?, 0);
    Ok(())
}

#[test]
fn text_with_a_nul_is_refused_by_both() {
    on_both(schema![Plain, Optional, Lists, Sparse], async |place| {
        let sessions = &place.sessions;
        let nul = || "a\0b".to_owned();
        refused(sessions, plain(1), Plain { text: nul(), ..plain(2) }, "text", NUL).await?;
        refused(sessions, plain(1), Plain { code: Code(nul()), ..plain(2) }, "code", NUL).await?;
        refused(sessions, first(1), Optional { text: Some(nul()), ..first(2) }, "text", NUL).await?;
        refused(sessions, first(1), Lists { text: vec![nul()], ..first(2) }, "text", NUL).await?;
        refused(sessions, first(1), Sparse { text: vec![None, Some(nul())], ..first(2) }, "text", NUL).await?;

        let repo = sessions.repository::<Plain>();
        let error = repo.filter(Plain::COLUMNS.text.eq(nul())).all().await.unwrap_err();
        assert_eq!(error.to_string(), format!("store column `text` of `plain`: {NUL}"));
        let error = sessions.sql("SELECT $1").bind(nul()).fetch_all::<(String,)>().await.unwrap_err();
        assert_eq!((error.to_string(), error.http_status()), (format!("bind value `$1`: {NUL}"), 422));
        Ok(())
    });
}

#[test]
fn nan_is_refused_by_sqlite() {
    on_both(schema![Plain, Optional, Lists, Sparse], async |place| {
        if place.backend() != Backend::Sqlite {
            return Ok(());
        }
        let sessions = &place.sessions;
        refused(sessions, plain(1), Plain { single: f32::NAN, ..plain(2) }, "single", NAN).await?;
        refused(sessions, plain(1), Plain { double: -f64::NAN, ..plain(2) }, "double", NAN).await?;
        refused(sessions, first(1), Optional { double: Some(f64::NAN), ..first(2) }, "double", NAN).await?;
        refused(sessions, first(1), Lists { single: vec![0.0, f32::NAN], ..first(2) }, "single", NAN).await?;
        refused(sessions, first(1), Sparse { double: vec![None, Some(f64::NAN)], ..first(2) }, "double", NAN).await?;

        // Neither can it be asked for, nor assigned.
        let repo = sessions.repository::<Plain>();
        let double = Plain::COLUMNS.double;
        let expected = format!("store column `double` of `plain`: {NAN}");
        assert_eq!(repo.filter(double.eq(f64::NAN)).all().await.unwrap_err().to_string(), expected);
        assert_eq!(repo.filter(double.in_list([1.0, f64::NAN])).all().await.unwrap_err().to_string(), expected);
        let assigned = repo.autocommit().query().update([double.set(f64::NAN)]).await;
        assert_eq!(assigned.unwrap_err().to_string(), expected);
        let error = sessions.sql("SELECT $1").bind(f64::NAN).fetch_all::<(f64,)>().await.unwrap_err();
        assert_eq!(error.to_string(), format!("bind value `$1`: {NAN}"));
        Ok(())
    });
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "measured")]
#[mappable(domain = Self)]
struct Measured {
    #[table(id, generated)]
    id: i64,
    value: f64,
}

#[test]
fn nan_is_refused_by_sqlite_where_the_database_makes_the_id() {
    on_both(schema![Measured], async |place| {
        if place.backend() == Backend::Sqlite {
            let of = |value| Measured { id: 0, value };
            refused(&place.sessions, of(1.0), of(f64::NAN), "value", NAN).await?;
        }
        Ok(())
    });
}

#[test]
fn times_outside_of_what_both_databases_hold_are_refused() {
    on_both(schema![Plain], async |place| {
        let sessions = &place.sessions;
        let year = |year| Utc.with_ymd_and_hms(year, 6, 1, 0, 0, 0).unwrap();
        let refused = async |row: Plain, column, reason: &str| refused(sessions, plain(1), row, column, reason).await;
        for outside in [-1, 0, 10_000] {
            let reason = "a year outside of 1 to 9999 cannot be stored";
            let instant: DateTime<Utc> = year(outside);
            refused(Plain { instant, ..plain(2) }, "instant", reason).await?;
            refused(Plain { local: instant.naive_utc(), ..plain(2) }, "local", reason).await?;
            refused(Plain { day: instant.date_naive(), ..plain(2) }, "day", reason).await?;
        }
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_000_000_000).unwrap();
        let local = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_time(leap);
        let reason = "a leap second cannot be stored; use the second before or after it";
        refused(Plain { time: leap, ..plain(2) }, "time", reason).await?;
        refused(Plain { local, ..plain(2) }, "local", reason).await?;
        refused(Plain { instant: local.and_utc(), ..plain(2) }, "instant", reason).await
    });
}

#[test]
fn what_rust_cannot_hold_is_an_error_that_names_table_and_column() {
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        repo.autocommit().add_now(&mut plain(1)).await?;
        let stored: &[_] = match place.backend() {
            Backend::Postgres => &[
                ("instant", "'infinity'", "the stored timestamp is infinite, which no Rust type can hold"),
                ("day", "'-infinity'", "the stored date is infinite, which no Rust type can hold"),
                ("money", "'NaN'", "the stored numeric is NaN, which no exact decimal can hold"),
                ("money", "1e29", "the number does not fit this decimal type"),
                ("time", "'24:00'", "the stored time is out of the range of its Rust type"),
            ],
            _ => &[
                ("instant", "'yesterday'", "the stored text is not a timestamptz"),
                ("day", "'2026-02-30'", "the stored text is not a date"),
                ("money", "'1e29'", "the number does not fit this decimal type"),
                ("small", "40000", "the number does not fit int2"),
                ("flag", "2", "expected bool, found int8"),
                ("uuid", "x'00'", "expected a uuid of 16 bytes, found 1 bytes"),
            ],
        };
        for (column, value, reason) in stored {
            let options = TransactionOptions::new();
            place
                .sessions
                .transaction(options, async |session| {
                    session.sql(format!("UPDATE plain SET {column} = {value}")).execute().await?;
                    let expected = format!("read column `{column}` of `plain`: {reason}");
                    let error = repo.get(1).await.unwrap_err();
                    assert_eq!((error.to_string(), error.http_status()), (expected, 500));
                    // The transaction goes on, and the row's other columns can be read.
                    let (id,): (i64,) = session.sql("SELECT id FROM plain").fetch_one().await?;
                    assert_eq!(id, 1);
                    session.set_rollback_only("the next column is to fail by itself");
                    Ok::<_, Error>(())
                })
                .await
                .unwrap_err();
        }
        Ok(())
    });
}

/// Whoever asked has given a value that the database refuses; what is stored is the service's own.
#[test]
fn a_value_that_the_database_refuses_is_the_callers_and_one_that_cannot_be_read_is_not() {
    on_both(schema![Plain], async |place| {
        let sessions = &place.sessions;
        let repo = sessions.repository::<Plain>();
        repo.autocommit().add_now(&mut Plain { small: i16::MAX, ..plain(1) }).await?;
        if place.backend() == Backend::Postgres {
            let small = Plain::COLUMNS.small;
            let error = repo.autocommit().query().update([small.set(small + 1)]).await.unwrap_err();
            assert!(error.is_mapping(), "{error:?}");
            assert_eq!(error.http_status(), 422);
            let inside = sessions
                .transaction(TransactionOptions::new(), async |_| repo.query().update([small.set(small + 1)]).await);
            assert_eq!(inside.await.unwrap_err().http_status(), 422);
            let cast = sessions.sql("SELECT text::int FROM plain").fetch_all::<(i32,)>().await.unwrap_err();
            assert!(cast.is_mapping(), "{cast:?}");
            assert_eq!(cast.http_status(), 500);
        }
        let unread = sessions.sql("SELECT text FROM plain").fetch_all::<(i64,)>().await.unwrap_err();
        assert!(unread.is_mapping(), "{unread:?}");
        assert_eq!(unread.http_status(), 500);
        Ok(())
    });
}
