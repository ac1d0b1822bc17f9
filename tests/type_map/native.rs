//! Types that only the database knows, by way of diesel: `#[column(sql_type = …)]`.

use std::io::Write;
use std::net::Ipv4Addr;
use std::ops::Bound;

use diesel::deserialize::{self, FromSql};
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Citext, Inet, Range, Text};
use diesel::sqlite::{Sqlite, SqliteValue};
use spakky::prelude::*;
use spakky::value::{ColumnValue, Value};
use spakky::{Backend, Error};

use super::place::Place;

/// A network, with conversions of the test's own. SQLite has no such type.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Network {
    address: Ipv4Addr,
    bits: u8,
}

impl ToSql<Inet, Pg> for Network {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[2, self.bits, 0, 4])?;
        out.write_all(&self.address.octets())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Inet, Pg> for Network {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match *value.as_bytes() {
            [2, bits, _, 4, a, b, c, d] => Ok(Network { address: Ipv4Addr::new(a, b, c, d), bits }),
            _ => Err("no IPv4 network".into()),
        }
    }
}

/// An amount that both databases have as an integer, each by a conversion of the test's own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cents(i64);

impl ToSql<BigInt, Pg> for Cents {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <i64 as ToSql<BigInt, Pg>>::to_sql(&self.0, &mut out.reborrow())
    }
}

impl FromSql<BigInt, Pg> for Cents {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Pg>>::from_sql(value).map(Cents)
    }
}

impl ToSql<BigInt, Sqlite> for Cents {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0);
        Ok(IsNull::No)
    }
}

impl FromSql<BigInt, Sqlite> for Cents {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Sqlite>>::from_sql(value).map(Cents)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, spakky::ColumnValue)]
#[column(sql_type = Inet)]
struct Host(Network);

#[derive(Debug, Clone, PartialEq, spakky::ColumnValue)]
#[column(sql_type = Citext)]
struct Email {
    text: String,
}

#[derive(Debug, Clone, PartialEq, spakky::ColumnValue)]
#[column(sql_type = Range<diesel::sql_types::Integer>)]
struct Span((Bound<i32>, Bound<i32>));

#[derive(Debug, Clone, Copy, PartialEq, spakky::ColumnValue)]
#[column(sql_type = BigInt)]
struct Price(Cents);

#[derive(Debug, Clone, PartialEq, spakky::ColumnValue)]
#[column(sql_type = Binary)]
struct Digest(Vec<u8>);

#[derive(Debug, Clone, PartialEq, spakky::ColumnValue)]
#[column(sql_type = Text)]
struct Note(String);

/// PostgreSQL's alone.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "machines")]
#[mappable(domain = Self)]
struct Machine {
    #[table(id)]
    host: Host,
    #[table(unique)]
    owner: Email,
    ports: Span,
    backup: Option<Host>,
    peers: Vec<Host>,
    friends: Vec<Option<Email>>,
    spans: Option<Vec<Span>>,
}

/// For both.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "articles")]
#[mappable(domain = Self)]
struct Article {
    #[table(id)]
    id: i64,
    price: Price,
    former: Option<Price>,
    digest: Digest,
    note: Note,
    prices: Vec<Price>,
    digests: Vec<Option<Digest>>,
    notes: Option<Vec<Note>>,
}

fn host(number: u8) -> Host {
    Host(Network { address: Ipv4Addr::new(10, 0, 0, number), bits: 32 })
}

fn email(text: &str) -> Email {
    Email { text: text.to_owned() }
}

fn machine(number: u8) -> Machine {
    let span = |from, to| Span((Bound::Included(from), Bound::Excluded(to)));
    let odd = number % 2 == 1;
    Machine {
        host: host(number),
        owner: email(&format!("Ann-{number}@example.org")),
        ports: span(i32::from(number), 1 + i32::from(number)),
        backup: odd.then(|| host(100)),
        peers: (0..number).map(host).collect(),
        friends: vec![None, Some(email("Bo\"b")), Some(email("{}"))],
        spans: odd.then(|| vec![span(-5, 5), Span((Bound::Unbounded, Bound::Unbounded))]),
    }
}

fn article(id: i64) -> Article {
    let odd = id % 2 == 1;
    Article {
        id,
        price: Price(Cents(id * 100)),
        former: odd.then_some(Price(Cents(i64::MIN))),
        digest: Digest(vec![0, 255, id as u8]),
        note: Note(format!("note {id}")),
        prices: (0..id).map(|cents| Price(Cents(cents))).collect(),
        digests: vec![None, Some(Digest(vec![])), Some(Digest(vec![7, id as u8]))],
        notes: odd.then(|| vec![Note("NULL".into()), Note("\"".into())]),
    }
}

fn on(backend: Backend, test: impl AsyncFn(SessionManager) -> Result<(), Error>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async {
            let place = Place::new(backend, &schema![]).await?;
            test(place.sessions.clone()).await
        })
        .unwrap_or_else(|error| panic!("on {backend}: {error:?}"));
}

async fn transaction<T>(
    sessions: &SessionManager,
    body: impl AsyncFnOnce(Session) -> Result<T, Error>,
) -> Result<T, Error> {
    sessions.transaction(TransactionOptions::new(), body).await
}

/// Everything that a table of such columns can be asked to do.
async fn check<Row>(sessions: &SessionManager, rows: Vec<Row>, changed: Vec<Row>) -> Result<(), Error>
where
    Row: Table + Mappable<Domain = Row> + PartialEq + std::fmt::Debug,
{
    sessions.create_tables(&spakky::SchemaRegistry::of([Row::descriptor()])).await?;
    let repo = sessions.repository::<Row>();
    let stored = async || repo.get_many(rows.iter().map(Row::id)).await;

    transaction(sessions, async |_| repo.add(&mut rows[0].clone())).await?;
    transaction(sessions, async |_| repo.add_all(&mut rows[1..].to_vec())).await?;
    assert_eq!(stored().await?, rows);

    transaction(sessions, async |session| {
        let mut loaded = stored().await?;
        repo.save_all(&mut loaded)?;
        session.flush().await?;
        assert_eq!(session.statistics().rows_written, 0, "a row that is saved as it was loaded");
        Ok(())
    })
    .await?;

    for some in [&changed[..1], &changed[..]] {
        transaction(sessions, async |_| {
            stored().await?;
            repo.save_all(&mut some.to_vec())
        })
        .await?;
        let (first, others) = (&some[0], &some[1..]);
        assert_eq!(repo.get(first.id()).await?, *first);
        assert_eq!(repo.get_many(others.iter().map(Row::id)).await?, others);
    }
    transaction(sessions, async |_| repo.upsert_all(&mut rows.clone())).await?;
    assert_eq!(stored().await?, rows);
    transaction(sessions, async |_| {
        let mut loaded = stored().await?;
        repo.delete_all(&mut loaded)
    })
    .await?;
    assert_eq!(repo.query().count().await?, 0);
    transaction(sessions, async |_| repo.add_all(&mut rows.clone())).await
}

#[test]
fn types_of_postgres_and_its_extensions_are_columns_there() {
    on(Backend::Postgres, async |sessions| {
        transaction(&sessions, async |session| session.sql("CREATE EXTENSION citext").execute().await).await?;
        let rows: Vec<Machine> = (1..=5).map(machine).collect();
        let changed =
            rows.iter().map(|row| Machine { host: row.host, owner: row.owner.clone(), ..machine(9) }).collect();
        check(&sessions, rows, changed).await?;

        let columns: Vec<(String, String)> = sessions
            .sql(
                "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = 'machines'::regclass AND attnum > 0 ORDER BY attnum",
            )
            .fetch_all()
            .await?;
        let columns: Vec<(&str, &str)> = columns.iter().map(|(name, ty)| (name.as_str(), ty.as_str())).collect();
        assert_eq!(
            columns,
            [
                ("host", "inet"),
                ("owner", "citext"),
                ("ports", "int4range"),
                ("backup", "inet"),
                ("peers", "inet[]"),
                ("friends", "citext[]"),
                ("spans", "int4range[]"),
            ]
        );

        let repo = sessions.repository::<Machine>();
        let found = async |predicate| {
            let found = repo.filter(predicate).order_by(Machine::COLUMNS.host.asc()).all().await?;
            Ok::<Vec<Host>, Error>(found.iter().map(|machine| machine.host).collect())
        };
        let c = Machine::COLUMNS;
        // Equality is that of the database's type.
        assert_eq!(found(c.owner.eq(email("ANN-2@EXAMPLE.ORG"))).await?, [host(2)]);
        assert_eq!(
            found(c.owner.in_list([email("ann-1@example.org"), email("ANN-3@example.org")])).await?,
            [host(1), host(3)]
        );
        assert_eq!(found(c.host.in_list([host(2), host(5)])).await?, [host(2), host(5)]);
        assert_eq!(found(c.host.gt(host(3))).await?, [host(4), host(5)]);
        assert_eq!(found(c.ports.eq(machine(4).ports)).await?, [host(4)]);
        assert_eq!(found(c.backup.is_null()).await?, [host(2), host(4)]);
        assert_eq!(found(c.peers.eq(machine(3).peers)).await?, [host(3)]);

        let plain: Vec<(Host, Email, Span)> = sessions
            .sql("SELECT host, owner, ports FROM machines WHERE host = $1 AND owner = $2")
            .bind(host(1))
            .bind(email("ANN-1@example.ORG"))
            .fetch_all()
            .await?;
        assert_eq!(plain, [(host(1), machine(1).owner, machine(1).ports)]);
        let error = sessions.sql("SELECT host FROM machines").fetch_all::<(String,)>().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "read column 1 of the result: it is of type `inet`, which cannot be read; cast it, for example to text"
        );
        // What the conversion refuses is an error of that column.
        transaction(&sessions, async |session| session.sql("UPDATE machines SET backup = '::1'").execute().await)
            .await?;
        let error = repo.get(host(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "read column `backup` of `machines`: diesel cannot read it");
        Ok(())
    });
}

#[test]
fn types_that_diesel_has_for_both_are_columns_of_both() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        on(backend, async |sessions| {
            let rows: Vec<Article> = (1..=5).map(article).collect();
            let changed = rows.iter().map(|row| Article { id: row.id, ..article(8) }).collect();
            check(&sessions, rows, changed).await?;
            let repo = sessions.repository::<Article>();
            let found = async |predicate| {
                let found = repo.filter(predicate).order_by(Article::COLUMNS.price.desc()).all().await?;
                Ok::<Vec<i64>, Error>(found.iter().map(|article| article.id).collect())
            };
            let c = Article::COLUMNS;
            assert_eq!(found(c.price.ge(Price(Cents(300)))).await?, [5, 4, 3]);
            assert_eq!(found(c.price.in_list([Price(Cents(100)), Price(Cents(400))])).await?, [4, 1]);
            assert_eq!(found(c.digest.in_list([article(2).digest, article(3).digest])).await?, [3, 2]);
            assert_eq!(found(c.note.eq(Note("note 2".into()))).await?, [2]);
            assert_eq!(found(c.prices.eq(article(3).prices)).await?, [3]);
            assert_eq!(found(c.former.is_null()).await?, [4, 2]);
            let plain: Vec<(Price, Digest, Note)> = sessions
                .sql("SELECT price, digest, note FROM articles WHERE price = $1")
                .bind(Price(Cents(100)))
                .fetch_all()
                .await?;
            assert_eq!(plain, [(article(1).price, article(1).digest, article(1).note)]);
            Ok(())
        });
    }
}

#[test]
fn a_type_that_diesel_does_not_have_for_sqlite_is_refused_there() {
    const REASON: &str =
        "`Host` cannot be stored on SQLite: what it wraps has no diesel `ToSql` and `FromSql` for its `sql_type` there";
    on(Backend::Sqlite, async |sessions| {
        let error = sessions.create_tables(&schema![Machine]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("use the set of tables: column `host` of `machines`: {REASON}"));
        let repo = sessions.repository::<Machine>();
        let error = repo.autocommit().add_now(&mut machine(1)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("store column `host` of `machines`: {REASON}"));
        let error = sessions.sql("SELECT $1").bind(host(1)).fetch_all::<(i64,)>().await.unwrap_err();
        assert_eq!(error.to_string(), format!("bind value `$1`: {REASON}"));
        Ok(())
    });
}

#[test]
fn a_missing_value_is_no_value_of_a_native_type() {
    let error = Host::from_value(Value::Null).unwrap_err();
    assert_eq!(error.to_string(), "unexpected null, expected Host; use an `Option` for a nullable column");
    assert_eq!(Option::<Host>::from_value(Value::Null).unwrap(), None);
}
