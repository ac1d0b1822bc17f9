//! The ends of each type's range.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike, Utc};
use rust_decimal::Decimal;
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::on_both;
use super::place::plain;
use super::row::{Lists, Plain};

/// Stores a changed row and reads it back, by itself and as one of several.
async fn stored(repo: &Repository<Plain>, change: impl Fn(&mut Plain)) -> Result<Plain, Error> {
    repo.autocommit().query().delete().await?;
    let mut rows = [plain(1), plain(2), plain(3)];
    rows.iter_mut().for_each(&change);
    repo.autocommit().add_now(&mut rows[0]).await?;
    repo.autocommit().add_all_now(&mut rows[1..]).await?;
    let alone = repo.get(1).await?;
    assert_eq!(format!("{:?}", repo.get(2).await?.with_id_of(&alone)), format!("{alone:?}"));
    Ok(alone)
}

impl Plain {
    fn with_id_of(self, other: &Plain) -> Plain {
        Plain { id: other.id, ..self }
    }
}

#[test]
fn the_least_and_the_greatest_numbers_are_kept() {
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        for (small, medium, large) in [(i16::MIN, i32::MIN, i64::MIN), (i16::MAX, i32::MAX, i64::MAX), (0, -1, 1)] {
            let row = stored(&repo, |row| (row.small, row.medium, row.large) = (small, medium, large)).await?;
            assert_eq!((row.small, row.medium, row.large), (small, medium, large));
        }
        for (single, double) in [
            (f32::MIN, f64::MIN),
            (f32::MAX, f64::MAX),
            (f32::MIN_POSITIVE, f64::MIN_POSITIVE),
            (f32::from_bits(1), f64::from_bits(1)),
            (f32::INFINITY, f64::INFINITY),
            (f32::NEG_INFINITY, f64::NEG_INFINITY),
            (0.1, 0.1),
        ] {
            let row = stored(&repo, |row| (row.single, row.double) = (single, double)).await?;
            assert_eq!((row.single.to_bits(), row.double.to_bits()), (single.to_bits(), double.to_bits()));
        }
        Ok(())
    });
}

/// SQLite writes a real without a fraction as an integer, which has one zero.
#[test]
fn minus_zero_keeps_its_sign_on_postgres_and_is_zero_on_sqlite() {
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        let row = stored(&repo, |row| (row.single, row.double) = (-0.0, -0.0)).await?;
        let is_negative = place.backend() == Backend::Postgres;
        assert_eq!((row.single, row.double), (0.0, 0.0));
        assert_eq!((row.single.is_sign_negative(), row.double.is_sign_negative()), (is_negative, is_negative));
        assert_eq!(repo.filter(Plain::COLUMNS.double.eq(0.0)).count().await?, 3);
        Ok(())
    });
}

#[test]
fn nan_is_a_value_of_postgres_that_is_found_and_is_no_change() {
    on_both(schema![Plain, Lists], async |place| {
        if place.backend() != Backend::Postgres {
            return Ok(());
        }
        let repo = place.sessions.repository::<Plain>();
        let row = stored(&repo, |row| (row.single, row.double) = (f32::NAN, f64::NAN)).await?;
        assert!(row.single.is_nan() && row.double.is_nan());
        assert_eq!(repo.filter(Plain::COLUMNS.double.eq(f64::NAN)).count().await?, 3);
        assert_eq!(repo.filter(Plain::COLUMNS.single.in_list([f32::NAN])).count().await?, 3);
        place
            .sessions
            .transaction(TransactionOptions::new(), async |session| {
                let mut row = repo.get(1).await?;
                repo.save_now(&mut row).await?;
                assert_eq!(session.statistics().rows_written, 0);
                Ok::<_, Error>(())
            })
            .await?;

        let lists = place.sessions.repository::<Lists>();
        let with_nan = |id| Lists { double: vec![f64::NAN, f64::NEG_INFINITY], ..super::sample::first(id) };
        lists.autocommit().add_all_now(&mut [with_nan(1), with_nan(2)]).await?;
        let double = lists.get(2).await?.double;
        assert!(double[0].is_nan() && double[1] == f64::NEG_INFINITY);
        Ok(())
    });
}

#[test]
fn texts_and_bytes_may_be_empty_or_large() {
    let large: String = "täxt\"\\{},'\n".chars().cycle().take(1 << 20).collect();
    on_both(schema![Plain, Lists], async |place| {
        let repo = place.sessions.repository::<Plain>();
        for text in ["", &large] {
            let row = stored(&repo, |row| {
                row.text = text.to_owned();
                row.bytes = text.bytes().rev().collect();
            })
            .await?;
            assert!(row.text == text && row.bytes.iter().rev().eq(text.as_bytes()));
            assert_eq!(repo.filter(Plain::COLUMNS.text.eq(text)).count().await?, 3);
            let every_byte = (0..=u8::MAX).collect::<Vec<_>>();
            assert_eq!(stored(&repo, |row| row.bytes = every_byte.clone()).await?.bytes, every_byte);
        }
        let lists = place.sessions.repository::<Lists>();
        let row = |id| Lists { text: vec![large.clone(), String::new()], ..super::sample::first(id) };
        lists.autocommit().add_all_now(&mut [row(1), row(2)]).await?;
        assert!(lists.get(1).await?.text == [large.clone(), String::new()]);
        Ok(())
    });
}

#[test]
fn time_goes_from_the_year_1_to_the_year_9999_and_by_microseconds() {
    let at = |year, month, day, time: NaiveTime| NaiveDate::from_ymd_opt(year, month, day).unwrap().and_time(time);
    let last = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).unwrap();
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        let mut earlier: Option<DateTime<Utc>> = None;
        for local in [
            at(1, 1, 1, NaiveTime::MIN),
            at(999, 12, 31, last),
            at(1969, 12, 31, last),
            at(1970, 1, 1, NaiveTime::MIN),
            at(2000, 2, 29, NaiveTime::from_hms_micro_opt(0, 0, 0, 1).unwrap()),
            at(9999, 12, 31, last),
        ] {
            let finer = local.with_nanosecond(local.nanosecond() + 999).unwrap();
            let row = stored(&repo, |row| {
                (row.instant, row.local) = (finer.and_utc(), finer);
                (row.day, row.time) = (finer.date(), finer.time());
            })
            .await?;
            assert_eq!((row.instant, row.local), (local.and_utc(), local));
            assert_eq!((row.day, row.time), (local.date(), local.time()));
            // The order of what is stored is that of time, whatever the year.
            let instant = Plain::COLUMNS.instant;
            assert_eq!(repo.filter(instant.le(finer.and_utc())).count().await?, 3);
            assert_eq!(repo.filter(instant.gt(local.and_utc())).count().await?, 0);
            if let Some(earlier) = earlier.replace(local.and_utc()) {
                assert_eq!(repo.filter(instant.gt(earlier)).count().await?, 3);
            }
        }
        Ok(())
    });
}

#[test]
fn what_is_finer_than_a_microsecond_is_no_change() {
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        let fine = "2026-03-01T12:00:00.123456789Z".parse::<DateTime<Utc>>().unwrap();
        stored(&repo, |row| row.instant = fine).await?;
        let options = TransactionOptions::new();
        place
            .sessions
            .transaction(options, async |session| {
                let mut row = repo.get(1).await?;
                row.instant = fine;
                repo.save_now(&mut row).await?;
                assert_eq!(session.statistics().rows_written, 0);
                Ok(())
            })
            .await
    });
}

#[test]
fn decimals_keep_every_digit_and_their_zeros() {
    on_both(schema![Plain], async |place| {
        let repo = place.sessions.repository::<Plain>();
        for text in
            ["0", "-0.00", "79228162514264337593543950335", "-7.9228162514264337593543950335", "1.500", "0.0001"]
        {
            let money: Decimal = text.parse().unwrap();
            let row = stored(&repo, |row| row.money = money).await?;
            assert_eq!((row.money, row.money.scale()), (money, money.scale()));
            assert_eq!(repo.filter(Plain::COLUMNS.money.eq(money)).count().await?, 3);
            // One number, however it is spelled.
            assert_eq!(repo.filter(Plain::COLUMNS.money.eq(money.normalize())).count().await?, 3);
        }
        let long = format!("-{}.{}", "1234567890".repeat(200), "0987654321".repeat(200));
        for text in [long.as_str(), "1e300", "-1e-300", "0.000", "10000.0001"] {
            let exact: BigDecimal = text.parse().unwrap();
            let row = stored(&repo, |row| row.exact = exact.clone()).await?;
            assert_eq!(row.exact, exact);
            assert_eq!(repo.filter(Plain::COLUMNS.exact.in_list([&exact])).count().await?, 3);
        }
        Ok(())
    });
}
