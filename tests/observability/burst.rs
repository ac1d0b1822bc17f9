//! The spans of bursts and of waits for the pool.

use std::time::Duration;

use futures_util::StreamExt;
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::TestDatabase;
use spakky::{Backend, Error};

use super::capture::{Capture, SeenSpan};
use super::{Letter, letter};
use crate::support::{Cancelled, cancel_after};

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "stamps")]
#[mappable(domain = Self)]
struct Stamp {
    #[table(id)]
    id: i64,
    cents: i32,
}

fn summaries(capture: &Capture) -> Vec<String> {
    capture.spans("spakky.burst").iter().map(|span| span.fields["db.query.summary"].clone()).collect()
}

fn field<'a>(span: &'a SeenSpan, name: &str) -> Option<&'a str> {
    span.fields.get(name).map(String::as_str)
}

#[spakky::test(schema = [Letter])]
async fn a_burst_is_a_span_in_the_unit_of_work_that_sent_it(sessions: SessionManager, letters: Repository<Letter>) {
    letters.autocommit().add_now(&mut letter(1)).await.unwrap();
    let capture = Capture::begin();
    let mut line = 0;
    let options = TransactionOptions::new().name("edit");
    let body = sessions.transaction(options, async |_| {
        let mut read = letters.get(1).await?;
        read.body = Some("changed".to_owned());
        line = line!() + 1;
        letters.save(&mut read)
    });
    body.await.unwrap();

    assert_eq!(summaries(&capture), ["SELECT letters", "UPDATE letters"]);
    let spans = capture.spans("spakky.burst");
    let system = if sessions.backend() == Backend::Postgres { "postgresql" } else { "sqlite" };
    for (span, operation) in spans.iter().zip(["SELECT", "UPDATE"]) {
        assert_eq!(field(span, "db.operation.name"), Some(operation));
        assert_eq!(field(span, "otel.name"), field(span, "db.query.summary"));
        assert_eq!(field(span, "otel.kind"), Some("client"));
        assert_eq!(field(span, "db.system.name"), Some(system));
        assert_eq!(field(span, "db.operation.batch.size"), None);
        assert_eq!(field(span, "outcome"), Some("answered"));
        assert_eq!((span.parent, span.is_closed), (Some("spakky.unit_of_work"), true));
    }
    assert_eq!((field(&spans[0], "code.file.path"), field(&spans[0], "code.line.number")), (None, None));
    assert_eq!(field(&spans[1], "code.file.path"), Some(file!()));
    assert_eq!(field(&spans[1], "code.line.number"), Some(line.to_string().as_str()));
}

#[spakky::test(schema = [Letter, Stamp])]
async fn a_burst_of_several_statements_is_a_batch(
    sessions: SessionManager,
    letters: Repository<Letter>,
    stamps: Repository<Stamp>,
) {
    let capture = Capture::begin();
    sessions
        .transaction(TransactionOptions::new(), async |session| {
            letters.add_all(&mut [letter(1), letter(2)])?;
            stamps.add(&mut Stamp { id: 1, cents: 80 })?;
            session.flush().await?;
            letters.delete_by_id(1)?;
            stamps.delete_by_id(1)
        })
        .await
        .unwrap();
    let spans = capture.spans("spakky.burst");
    let told = ["db.query.summary", "db.operation.name", "db.operation.batch.size", "code.file.path"];
    let told = |span: &SeenSpan| told.map(|name| field(span, name).map(str::to_owned));
    let batch = |operation: &str| [Some("BATCH".to_owned()), Some(operation.to_owned()), Some("2".to_owned()), None];
    assert_eq!(spans.iter().map(told).collect::<Vec<_>>(), [batch("BATCH INSERT"), batch("BATCH DELETE")]);
}

#[spakky::test(schema = [Letter])]
async fn what_is_sent_outside_a_scope_or_by_a_handle_has_a_span_too(
    sessions: SessionManager,
    letters: Repository<Letter>,
) {
    let capture = Capture::begin();
    let import = sessions.begin();
    letters.in_session(import.session()).add_now(&mut letter(1)).await.unwrap();
    import.commit().await.unwrap();
    sessions.sql("SELECT subject FROM letters WHERE body = 'FROM secret'").fetch_all::<(String,)>().await.unwrap();
    let mut stream = letters.query().stream().await.unwrap();
    while let Some(read) = stream.next().await {
        read.unwrap();
    }
    drop(letters.query().stream().await.unwrap());
    let spans = capture.spans("spakky.burst");
    let told: Vec<_> = spans
        .iter()
        .map(|span| (span.parent, span.fields["db.query.summary"].as_str(), span.fields["outcome"].as_str()))
        .collect();
    let unit = Some("spakky.unit_of_work");
    assert_eq!(
        told,
        [
            (unit, "INSERT letters", "answered"),
            (unit, "COMMIT", "answered"),
            (None, "SELECT letters", "answered"),
            (None, "SELECT letters", "answered"),
            (None, "SELECT letters", "abandoned"),
        ]
    );
    let waits = capture.spans("spakky.pool_wait");
    let parents: Vec<_> = waits.iter().map(|span| (span.parent, span.fields["outcome"].as_str())).collect();
    assert_eq!(parents, [(unit, "given"), (None, "given"), (None, "given"), (None, "given")]);
    assert!(spans.iter().chain(&waits).all(|span| span.is_closed));
}

#[spakky::test(schema = [Letter])]
async fn a_burst_that_fails_tells_the_code_and_no_more(sessions: SessionManager, letters: Repository<Letter>) {
    letters.autocommit().add_now(&mut letter(1)).await.unwrap();
    let capture = Capture::begin();
    let failed = letters.autocommit().add_now(&mut letter(1)).await.unwrap_err();
    assert!(failed.is_unique_violation());
    let spans = capture.spans("spakky.burst");
    let code = if sessions.backend() == Backend::Postgres { "23505" } else { "1555" };
    assert_eq!(field(&spans[0], "db.response.status_code"), Some(code));
    assert_eq!((field(&spans[0], "otel.status_code"), field(&spans[0], "outcome")), (Some("ERROR"), Some("failed")));
}

#[spakky::test]
async fn a_wait_for_the_pool_that_fails_or_is_given_up_ends_its_span(db: TestDatabase) {
    let config = DatabaseConfig::new(db.url()).pool_size(1).pool_timeout(Duration::from_millis(10));
    let sessions = SessionManager::from_config(config).await.unwrap();
    let capture = Capture::begin();
    let holder = sessions.begin();
    holder.session().sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
    assert!(sessions.ping().await.unwrap_err().is_pool_timeout());
    assert!(matches!(cancel_after(1, false, sessions.ping()).await, Cancelled::Yes));
    holder.rollback().await;
    let waits = capture.spans("spakky.pool_wait");
    let outcomes: Vec<_> = waits.iter().map(|span| (span.fields["outcome"].as_str(), span.is_closed)).collect();
    assert_eq!(outcomes, [("given", true), ("failed", true), ("abandoned", true)]);
}

#[spakky::test(schema = [Letter])]
async fn spans_end_wherever_the_future_is_dropped(sessions: SessionManager, letters: Repository<Letter>) {
    for polls in 1..1_000 {
        let capture = Capture::begin();
        let id = i64::try_from(polls).unwrap();
        let work = sessions.transaction(TransactionOptions::new().name("write"), async |session| {
            session.after_commit(|| async {
                tracing::info!(target: "hook", "committed");
                Ok(())
            });
            session.on_rollback(|| async {
                tracing::info!(target: "hook", "rolled back");
                Ok(())
            });
            letters.add_now(&mut letter(id)).await?;
            letters.add(&mut letter(-id))
        });
        let completed = matches!(cancel_after(polls, false, work).await, Cancelled::No(_));
        // The rest is done in a task of its own, in the span of the unit of work.
        crate::support::eventually("a hook has run", Duration::from_secs(60), async || {
            capture.events("hook").len() == 1 && sessions.status().in_use == 0
        })
        .await;
        assert_eq!(capture.events("hook")[0].unit_of_work.as_deref(), Some("write"));
        let (units, bursts) = (capture.units_of_work(), capture.spans("spakky.burst"));
        let open = || capture.units_of_work().iter().any(|span| !span.is_closed);
        crate::support::eventually("the spans are closed", Duration::from_secs(60), async || !open()).await;
        assert!(capture.spans("spakky.burst").iter().all(|span| span.is_closed), "{polls}: {bursts:?}");
        assert!(bursts.iter().all(|span| ["answered", "abandoned"].contains(&&*span.fields["outcome"])), "{bursts:?}");
        assert!(bursts.iter().all(|span| span.parent == Some("spakky.unit_of_work")), "{bursts:?}");
        assert!(["committed", "rolled back"].contains(&&*units[0].fields["outcome"]), "{units:?}");
        if completed {
            return;
        }
    }
    panic!("it never completed");
}

struct Post {
    sessions: SessionManager,
    letters: Repository<Letter>,
}

impl HasSessions for Post {
    fn sessions(&self) -> &SessionManager {
        &self.sessions
    }
}

impl Post {
    #[transactional]
    async fn send(&self) -> Result<(), Error> {
        self.letters.add(&mut letter(1))
    }

    #[transactional(name = "look up")]
    async fn read(&self) -> Result<u64, Error> {
        self.letters.query().count().await
    }
}

#[spakky::test(schema = [Letter])]
async fn a_transactional_function_is_where_its_unit_of_work_is_written(
    sessions: SessionManager,
    letters: Repository<Letter>,
) {
    let post = Post { sessions, letters };
    let capture = Capture::begin();
    post.send().await.unwrap();
    post.read().await.unwrap();
    let units = capture.units_of_work();
    let told = ["name", "code.function.name", "code.file.path"];
    let told: Vec<_> = units.iter().map(|span| told.map(|name| span.fields[name].as_str())).collect();
    let (send, read) = (concat!(module_path!(), "::send"), concat!(module_path!(), "::read"));
    assert_eq!(told, [[send, send, file!()], ["look up", read, file!()]]);
    assert!(units.iter().all(|span| span.fields["code.line.number"].parse::<u32>().is_ok_and(|line| line < line!())));
}

/// What the library adds of its own, to learn how a transaction ends, is not what somebody asked for.
#[spakky::test(schema = [Letter])]
async fn a_commit_that_asks_for_its_own_outcome_is_a_commit(sessions: SessionManager) {
    let capture = Capture::begin();
    let work = sessions
        .transaction(TransactionOptions::new(), async |session| session.sql("DELETE FROM letters").execute().await);
    work.await.unwrap();
    assert_eq!(summaries(&capture), ["DELETE letters", "COMMIT"]);
}

mod lost {
    use crate::support::on_postgres;

    on_postgres![a_burst_whose_line_broke_is_lost];

    use spakky::Error;
    use spakky::prelude::*;
    use spakky::testing::proxy::{Cut, Message};

    use super::{Capture, field};
    use crate::support::{Database, Line, account};

    async fn a_burst_whose_line_broke_is_lost(db: Database) {
        let line = Line::new(&db).await;
        let accounts = line.accounts();
        let capture = Capture::begin();
        line.proxy.cut(Cut::before(|message: &Message| message.is_sql("COMMIT")));
        let work = line.sessions.transaction(TransactionOptions::new(), async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            Ok::<_, Error>(())
        });
        assert!(work.await.unwrap_err().is_connection());
        let burst = &capture.spans("spakky.burst")[0];
        let told = ["outcome", "otel.status_code", "db.response.status_code"].map(|name| field(burst, name));
        assert_eq!(told, [Some("lost"), Some("ERROR"), None]);
    }
}
