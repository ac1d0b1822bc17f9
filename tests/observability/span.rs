//! The span of a unit of work, and the events of its bursts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::TestDatabase;
use spakky::{Backend, Error, RetryOn, RetryPolicy};
use tracing::{Instrument, Level};

use super::capture::{Capture, SeenSpan};
use super::{Letter, letter};

/// The fields of a span that count what was done.
fn counts(span: &SeenSpan) -> [&str; 5] {
    ["outcome", "statements", "round_trips", "rows_read", "rows_written"].map(|name| span.fields[name].as_str())
}

#[spakky::test(schema = [Letter])]
async fn a_unit_of_work_has_a_span_that_tells_what_it_did(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    let options = TransactionOptions::new().name("write letters").propagation(Propagation::RequiresNew);
    let body = sessions.transaction(options, async |session| {
        letters.add_all(&mut [letter(1), letter(2)])?;
        session.flush().await?;
        assert_eq!(letters.query().all().await?.len(), 2);
        Ok::<_, Error>(())
    });
    body.instrument(tracing::info_span!("request")).await.unwrap();

    let spans = capture.units_of_work();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(span.fields["name"], "write letters");
    assert_eq!(span.fields["propagation"], "requires_new");
    assert_eq!(span.fields["attempt"], "1");
    assert_eq!(span.fields["otel.name"], "write letters");
    assert_eq!(span.fields["otel.kind"], "internal");
    let system = if sessions.backend() == Backend::Postgres { "postgresql" } else { "sqlite" };
    assert_eq!(span.fields["db.system.name"], system);
    // BEGIN and INSERT, SELECT, COMMIT.
    assert_eq!(counts(span), ["committed", "4", "3", "2", "2"]);
    assert_eq!(span.parent, Some("request"));
    assert!(span.is_closed);

    let bursts = capture.events("spakky::burst");
    let statements: Vec<&str> = bursts.iter().map(|event| event.fields["statements"].as_str()).collect();
    assert_eq!(statements, ["2", "1", "1"]);
    for event in &bursts {
        assert_eq!(event.level, Level::DEBUG);
        assert_eq!(event.fields["name"], "write letters");
        assert!(event.fields["elapsed_us"].parse::<u64>().is_ok());
        assert_eq!(event.unit_of_work.as_deref(), Some("write letters"));
    }
    let waits = capture.events("spakky::pool");
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].fields["given"], "true");
}

#[spakky::test(schema = [Letter])]
async fn a_unit_of_work_that_does_not_commit_says_so(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    let options = TransactionOptions::new();
    let gone = sessions
        .transaction(options.name("not found"), async |_| {
            letters.add_now(&mut letter(1)).await?;
            letters.get(9).await.map(drop)
        })
        .await;
    assert!(gone.unwrap_err().is_not_found());
    let taken = sessions
        .transaction(options.name("refused at commit"), async |_| {
            letters.add(&mut letter(1))?;
            letters.add(&mut Letter { subject: letter(1).subject, ..letter(2) })
        })
        .await;
    assert!(taken.unwrap_err().is_unique_violation());
    sessions.transaction(options.name("nothing to do"), async |_| Ok::<_, Error>(())).await.unwrap();

    let spans = capture.units_of_work();
    let told: Vec<_> =
        spans.iter().map(|span| (span.fields["name"].as_str(), span.fields["outcome"].as_str())).collect();
    assert_eq!(
        told,
        [("not found", "rolled back"), ("refused at commit", "rolled back"), ("nothing to do", "committed")]
    );
    assert_eq!(counts(&spans[2]), ["committed", "0", "0", "0", "0"]);
    assert!(spans.iter().all(|span| span.is_closed));
}

#[spakky::test(schema = [Letter])]
async fn each_attempt_of_a_retried_unit_of_work_has_a_span(sessions: SessionManager, letters: Repository<Letter>) {
    letters.autocommit().add_now(&mut letter(1)).await.unwrap();
    let capture = Capture::begin();
    let retry = RetryPolicy { attempts: 3, backoff: Duration::from_millis(1), on: RetryOn::Conflict };
    let attempts = AtomicU32::new(0);
    let edit = |_| async {
        let mut read = letters.get(1).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            // Somebody else is faster.
            let other = sessions.begin();
            let faster = async {
                let mut read = letters.get(1).await?;
                read.body = Some("faster".to_owned());
                letters.save(&mut read)
            };
            other.run(faster).await?;
            other.commit().await?;
        }
        read.body = Some("slower".to_owned());
        letters.save(&mut read)
    };
    sessions.transaction_with_retry(TransactionOptions::new().name("edit").retry(retry), edit).await.unwrap();
    let spans = capture.units_of_work();
    let told =
        |span: &SeenSpan| [&span.fields["name"], &span.fields["attempt"], &span.fields["outcome"]].map(String::clone);
    let told: Vec<_> = spans.iter().map(told).collect();
    assert_eq!(told[0], ["edit", "1", "rolled back"]);
    assert_eq!(told[2], ["edit", "2", "committed"]);
    assert_eq!((told[1][1].as_str(), told[1][2].as_str()), ("1", "committed"));
    assert_eq!(spans[1].fields["propagation"], "requires_new");
}

#[spakky::test(schema = [Letter])]
async fn a_transaction_by_its_handle_has_a_span_too(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    let options = TransactionOptions::new().name("import");
    let import = sessions.begin_with(options);
    letters.in_session(import.session()).add_now(&mut letter(1)).await.unwrap();
    let import = import.commit_and_chain().await.unwrap();
    import.run(letters.add_now(&mut letter(2))).await.unwrap();
    import.rollback().await;
    drop(sessions.begin_with(options));
    letters.autocommit().add_now(&mut letter(3)).await.unwrap();

    let spans = capture.units_of_work();
    let told: Vec<_> =
        spans.iter().map(|span| (span.fields["name"].as_str(), span.fields["outcome"].as_str())).collect();
    assert_eq!(
        told,
        [("import", "committed"), ("import", "rolled back"), ("import", "rolled back"), ("autocommit", "committed")]
    );
    let rows: Vec<&str> = spans.iter().map(|span| span.fields["rows_written"].as_str()).collect();
    assert_eq!(rows, ["1", "1", "0", "1"]);
    // The one that was dropped lasts until it is cleaned up.
    let closed = async || capture.units_of_work().iter().all(|span| span.is_closed);
    crate::support::eventually("the spans are closed", Duration::from_secs(60), closed).await;
    let bursts = capture.events("spakky::burst");
    let names: Vec<_> = bursts.iter().map(|event| event.unit_of_work.as_deref().unwrap()).collect();
    assert_eq!(names, ["import", "import", "import", "autocommit"]);
}

#[spakky::test(schema = [Letter])]
async fn a_unit_of_work_whose_future_is_dropped_is_rolled_back(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    {
        let body = sessions.transaction(TransactionOptions::new().name("abandoned"), async |_| {
            letters.add_now(&mut letter(1)).await?;
            std::future::pending::<Result<(), Error>>().await
        });
        let mut body = std::pin::pin!(body);
        let written = async {
            while capture.events("spakky::burst").is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = &mut body => panic!("{ended:?}"),
            () = written => {}
        }
    }
    let spans = capture.units_of_work();
    assert_eq!(counts(&spans[0]), ["rolled back", "2", "1", "0", "1"]);
}

#[spakky::test(schema = [Letter])]
async fn a_read_outside_any_scope_is_an_event_without_a_span(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    assert_eq!(letters.query().count().await.unwrap(), 0);
    sessions.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
    assert_eq!(capture.units_of_work().len(), 0);
    let bursts = capture.events("spakky::burst");
    let told: Vec<_> = bursts.iter().map(|event| (event.fields["name"].as_str(), event.unit_of_work.clone())).collect();
    assert_eq!(told, [("no scope", None), ("no scope", None)]);
}

#[spakky::test(schema = [Letter])]
async fn a_slow_burst_is_a_warning_and_a_fast_one_is_not(db: TestDatabase) {
    let connect = async |limit: Duration| {
        let config = DatabaseConfig::new(db.url()).slow_log(limit);
        SessionManager::from_config(config).await.unwrap()
    };
    for (limit, slow) in [(Duration::from_nanos(1), true), (Duration::from_secs(60), false)] {
        let sessions = connect(limit).await;
        let capture = Capture::begin();
        let options = TransactionOptions::new().name("look");
        let letters = sessions.repository::<Letter>();
        sessions.transaction(options, async |_| letters.query().count().await).await.unwrap();
        let warnings = capture.events("spakky::slow");
        let bursts = capture.events("spakky::burst");
        assert_eq!((warnings.len(), bursts.len()), if slow { (1, 0) } else { (0, 1) });
        for warning in warnings {
            assert_eq!(warning.level, Level::WARN);
            assert_eq!(
                (warning.fields["name"].as_str(), warning.fields["message"].as_str()),
                ("look", "a burst was slow")
            );
            assert_eq!(warning.unit_of_work.as_deref(), Some("look"));
        }
    }
}

#[spakky::test(schema = [Letter])]
async fn sql_is_logged_only_where_echo_is_on(db: TestDatabase) {
    for echo in [false, true] {
        let sessions = SessionManager::from_config(DatabaseConfig::new(db.url()).echo(echo)).await.unwrap();
        let letters = sessions.repository::<Letter>();
        let capture = Capture::begin();
        let options = TransactionOptions::new();
        sessions.transaction(options, async |_| letters.delete_by_id(1)).await.unwrap();
        let logged = capture.events("spakky::sql");
        if echo {
            let kinds = logged.iter().map(|event| event.fields["message"].split(' ').next().unwrap().to_owned());
            let kinds: Vec<String> = kinds.filter(|kind| kind != "WITH" && kind != "SELECT").collect();
            assert_eq!((&*kinds[0], &*kinds[kinds.len() - 1]), ("BEGIN", "COMMIT"));
            assert!(logged.iter().all(|event| event.level == Level::INFO));
        } else {
            assert_eq!(logged.len(), 0);
            assert!(!capture.all().contains("DELETE FROM"), "{}", capture.all());
        }
    }
}
