//! Notifications, on a connection of their own, and notices.

use std::time::Duration;

use futures_util::FutureExt;
use spakky::TransactionOptions;
use spakky::config::Pooler;
use spakky::postgres::{Heard, Listener, Notification};

use crate::support::{Database, Place, on_pgbouncer, on_postgres, on_sqlite};

on_postgres![
    what_is_committed_is_heard_in_its_order,
    names_are_taken_as_they_are,
    a_wait_that_is_given_up_loses_nothing,
    a_line_that_is_lost_is_replaced_and_told_of,
    what_cannot_be_listened_to_is_refused,
    what_the_server_says_beside_its_answers_is_told,
    a_subscriber_that_takes_nothing_holds_up_nobody,
];

on_pgbouncer![what_cannot_be_listened_to_is_refused, what_the_server_says_beside_its_answers_is_told];

on_sqlite![what_cannot_be_listened_to_is_refused];

async fn heard(listener: &mut Listener) -> Notification {
    match listener.recv().await.unwrap() {
        Heard::Notification(notification) => notification,
        other => panic!("heard {other:?}"),
    }
}

async fn notify(database: &Database, channel: &str, payload: &str) {
    let notify = database.observer().sql("SELECT pg_notify($1, $2)").bind(channel).bind(payload);
    notify.execute().await.unwrap();
}

async fn what_is_committed_is_heard_in_its_order(database: Database) {
    let mut listener = database.sessions.listen(["orders", "bills"]).await.unwrap();
    let send = async |payload: &str, fails: bool| {
        let scope = TransactionOptions::new().name("notify");
        let sent = database.sessions.transaction(scope, async |session| {
            let process: (i32,) = session.sql("SELECT pg_backend_pid()").fetch_one().await?;
            session.sql("SELECT pg_notify('orders', $1)").bind(payload).execute().await?;
            if fails { Err(spakky::Error::custom("enough")) } else { Ok(process.0) }
        });
        sent.await
    };
    send("never", true).await.unwrap_err();
    let process = send("first", false).await.unwrap();
    notify(&database, "others", "nobody listens").await;
    notify(&database, "bills", "").await;
    let first = heard(&mut listener).await;
    assert_eq!((&*first.channel, &*first.payload, first.process), ("orders", "first", process));
    let second = heard(&mut listener).await;
    assert_eq!((&*second.channel, &*second.payload), ("bills", ""));
    assert!(listener.recv().now_or_never().is_none());
    // What was sent is nobody's business.
    assert!(!format!("{first:?}").contains("first"), "{first:?}");
}

async fn names_are_taken_as_they_are(database: Database) {
    let names = ["Mixed Case", "with \"quotes\"", "ünï; SELECT 1"];
    let mut listener = database.sessions.listen(names).await.unwrap();
    for name in names {
        notify(&database, name, "ä").await;
        let heard = heard(&mut listener).await;
        assert_eq!((&*heard.channel, &*heard.payload), (name, "ä"));
    }
}

async fn a_wait_that_is_given_up_loses_nothing(database: Database) {
    let mut listener = database.sessions.listen(["numbers"]).await.unwrap();
    for number in 0..200 {
        notify(&database, "numbers", &number.to_string()).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 200 {
        // Given up at its first wait, again and again.
        match listener.recv().now_or_never() {
            Some(Ok(Heard::Notification(notification))) => seen.push(notification.payload.parse::<i32>().unwrap()),
            Some(other) => panic!("{other:?}"),
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

async fn a_line_that_is_lost_is_replaced_and_told_of(database: Database) {
    let mut listener = database.sessions.listen(["orders"]).await.unwrap();
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                  AND query LIKE '%LISTEN %' AND pid <> pg_backend_pid()";
    assert_eq!(database.numbers(others).await, [1]);
    assert_eq!(listener.recv().await.unwrap(), Heard::Resumed);
    notify(&database, "orders", "again").await;
    assert_eq!(heard(&mut listener).await.payload, "again");
}

async fn what_cannot_be_listened_to_is_refused(database: Database) {
    let refused = async |channels: &[&str]| {
        let error = database.sessions.listen(channels.iter().copied()).await.err().unwrap();
        assert!(error.is_config(), "{error:?}");
        error.to_string().replace("listen for notifications: ", "")
    };
    let pooled = "a pooler that gives its connections to one program after another tells nothing of notifications; give the \
                  listener a `SessionManager` of its own, whose `url` leads to the server itself";
    match database.place() {
        Place::Sqlite => {
            let told = "only PostgreSQL has them; within one program, use `on_mutation`";
            assert_eq!(refused(&["orders"]).await, told);
            let error = database.sessions.notices().err().unwrap();
            assert_eq!(error.to_string(), "subscribe to notices: only PostgreSQL has them");
        }
        Place::PgBouncer => {
            assert_eq!(refused(&["orders"]).await, pooled);
            // One that nobody announced is found out.
            let unannounced = database.connect(|config| config.pooler(Pooler::None)).await;
            let error = unannounced.listen(["orders"]).await.err().unwrap();
            assert_eq!(error.to_string(), format!("listen for notifications: {pooled}"));
        }
        Place::Postgres => {
            assert_eq!(refused(&[]).await, "name a channel at least");
            let wanted = "a name has between 1 and 63 bytes, and no NUL character; found";
            for (name, shown) in [("", ""), ("a\0b", "a\\u{0}b"), (&*"x".repeat(64), &*"x".repeat(64))] {
                assert_eq!(refused(&["orders", name]).await, format!("{wanted} `{shown}`"));
            }
            let listener = database.sessions.listen(["x".repeat(63)]).await.unwrap();
            drop(listener.quiet_limit(Duration::from_secs(1)));
        }
    }
}

const RAISE: &str = "CREATE FUNCTION say(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '%', what USING \
                     DETAIL = 'at length', HINT = 'do it', ERRCODE = '01234'; RETURN 1; END $$";

async fn what_the_server_says_beside_its_answers_is_told(database: Database) {
    database.execute(RAISE).await;
    let mut notices = database.sessions.notices().unwrap();
    let say = "SELECT say($1)";
    let _: (i32,) = database.sessions.sql(say).bind("alone").fetch_one().await.unwrap();
    let scope = TransactionOptions::new().name("say");
    let said = database.sessions.transaction(scope, async |session| {
        let _: (i32,) = session.sql(say).bind("inside").fetch_one().await?;
        Err::<(), _>(spakky::Error::custom("enough"))
    });
    said.await.unwrap_err();
    for said in ["alone", "inside"] {
        let notice = notices.recv().await.unwrap();
        let told =
            (&*notice.severity, &*notice.code, &*notice.message, notice.detail.as_deref(), notice.hint.as_deref());
        assert_eq!(told, ("WARNING", "01234", said, Some("at length"), Some("do it")));
        assert_eq!(format!("{notice:?}"), "Notice { severity: \"WARNING\", code: \"01234\", .. }");
    }
    assert!(notices.recv().now_or_never().is_none());
}

async fn a_subscriber_that_takes_nothing_holds_up_nobody(database: Database) {
    database.execute(RAISE).await;
    let mut notices = database.sessions.notices().unwrap();
    let many = "SELECT count(say(n::text)) FROM generate_series(1, 1000) AS n";
    let counted: (i64,) = database.sessions.sql(many).fetch_one().await.unwrap();
    assert_eq!(counted.0, 1_000);
    let mut last = Vec::new();
    while last.last() != Some(&1_000) {
        last.push(notices.recv().await.unwrap().message.parse::<u64>().unwrap());
    }
    assert_eq!(notices.missed() + last.len() as u64, 1_000);
    assert!(last.len() >= 256, "{}", last.len());
}
