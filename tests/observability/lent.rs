//! The spans of connections that are lent.

use diesel_async::RunQueryDsl;
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::capture::{Capture, SeenSpan};
use super::{Letter, letter};
use crate::support::{Cancelled, cancel_after};

const SCOPE: TransactionOptions = TransactionOptions::new().name("lend");

/// Runs SQL on the connection of whichever database it is.
async fn run(session: &Session, sql: &'static str) -> Result<(), Error> {
    if session.manager().backend() == Backend::Sqlite {
        let closure = move |conn: &mut diesel::SqliteConnection| {
            diesel::RunQueryDsl::execute(diesel::sql_query(sql), conn).map(drop)
        };
        return session.sqlite(closure).await;
    }
    let mut conn = session.postgres().await?;
    let done = diesel::sql_query(sql).execute(&mut *conn).await;
    done.map(drop).map_err(|error| conn.classify(error))
}

fn told(span: &SeenSpan) -> [Option<&str>; 3] {
    ["outcome", "otel.status_code", "db.response.status_code"].map(|name| span.fields.get(name).map(String::as_str))
}

#[spakky::test(schema = [Letter])]
async fn a_loan_is_a_span_in_its_unit_of_work(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    let work = sessions.transaction(SCOPE, async |session| {
        letters.add(&mut letter(1))?;
        run(&session, "UPDATE letters SET body = 'read'").await
    });
    work.await.unwrap();
    let loans = capture.spans("spakky.loan");
    let [loan] = &loans[..] else { panic!("{loans:?}") };
    assert_eq!(told(loan), [Some("returned"), None, None]);
    let system = if sessions.backend() == Backend::Postgres { "postgresql" } else { "sqlite" };
    let named = ["otel.name", "otel.kind", "db.system.name"].map(|name| loan.fields[name].as_str());
    assert_eq!(named, ["loan", "client", system]);
    assert_eq!((loan.parent, loan.is_closed), (Some("spakky.unit_of_work"), true));
    assert!(!capture.all().contains("UPDATE letters"));
}

#[spakky::test(schema = [Letter])]
async fn a_loan_that_fails_tells_the_code(sessions: SessionManager, letters: Repository<Letter>) {
    letters.autocommit().add_now(&mut letter(1)).await.unwrap();
    let capture = Capture::begin();
    let sql = "INSERT INTO letters SELECT * FROM letters";
    let work = sessions.transaction(SCOPE, async |session| run(&session, sql).await);
    assert!(work.await.unwrap_err().is_unique_violation());
    let code = if sessions.backend() == Backend::Postgres { "23505" } else { "1555" };
    assert_eq!(told(&capture.spans("spakky.loan")[0]), [Some("failed"), Some("ERROR"), Some(code)]);
}

#[spakky::test(schema = [Letter])]
async fn a_loan_that_is_given_up_ends_its_span(sessions: SessionManager) {
    for polls in 1..1_000 {
        let capture = Capture::begin();
        let work = sessions.transaction(SCOPE, async |session| run(&session, "DELETE FROM letters").await);
        let completed = matches!(cancel_after(polls, false, work).await, Cancelled::No(_));
        let loans = capture.spans("spakky.loan");
        assert!(loans.iter().all(|loan| loan.is_closed), "{polls}: {loans:?}");
        assert!(loans.iter().all(|loan| ["returned", "abandoned"].contains(&&*loan.fields["outcome"])), "{loans:?}");
        if completed {
            return assert_eq!(loans.len(), 1);
        }
    }
    panic!("it never completed");
}
