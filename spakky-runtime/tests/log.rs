//! What is logged by the crate `log`, at whatever level, holds no value: neither those of statements nor those that a request's context
//! sets.

#![cfg(all(feature = "testing", feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Mutex;

use spakky_runtime::testing::TestDatabase;
use spakky_runtime::{RequestContext, TransactionOptions};

const SECRET: &str = "hunter2";

/// Keeps all that is logged by the crate `log`, of the whole process.
struct Kept(Mutex<String>);

static KEPT: Kept = Kept(Mutex::new(String::new()));

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn values_and_settings_of_a_context_are_logged_by_nobody() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    log::info!("the logger hears");
    let database = TestDatabase::postgres().await.unwrap();
    let sessions = database.connect().await.unwrap();
    sessions.sql("CREATE TABLE told (word text)").execute().await.unwrap();
    let context =
        RequestContext::new().tenant(SECRET).actor(SECRET).setting("app.token", SECRET).setting("app.other", SECRET);
    let told: (String, String, String) = context
        .scope(sessions.transaction(TransactionOptions::new(), async |session| {
            session.sql("INSERT INTO told VALUES ($1)").bind(SECRET.to_owned()).execute().await?;
            let sql =
                "SELECT word, current_setting('app.token'), current_setting('app.other') FROM told WHERE word = $1";
            session.sql(sql).bind(SECRET.to_owned()).fetch_one().await
        }))
        .await
        .unwrap();
    assert_eq!(told, (SECRET.to_owned(), SECRET.to_owned(), SECRET.to_owned()));
    // They end with the transaction.
    let (after,): (Option<String>,) =
        sessions.sql("SELECT nullif(current_setting('app.token', true), '')").fetch_one().await.unwrap();
    assert_eq!(after, None);

    let kept = KEPT.0.lock().unwrap();
    assert!(kept.contains("the logger hears"), "{kept}");
    assert!(!kept.contains(SECRET), "{}", kept.lines().find(|line| line.contains(SECRET)).unwrap_or_default());
}
