//! No value of the user's is in a span, an event or a metric, whatever goes wrong.

use std::time::Duration;

use spakky::Error;
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::TestDatabase;

use super::capture::Capture;
use super::{Letter, letter};

/// Stands in every value.
const SECRET: &str = "hunter2";

fn secret(id: i64) -> Letter {
    Letter {
        subject: format!("{SECRET} {id}"),
        body: Some(SECRET.to_owned()),
        attachment: SECRET.as_bytes().to_vec(),
        pages: vec![SECRET.to_owned(), SECRET.to_owned()],
        ..letter(id)
    }
}

#[spakky::test(schema = [Letter])]
async fn values_are_told_to_nobody(db: TestDatabase) {
    // Everything that can be logged is.
    let config = DatabaseConfig::new(db.url()).echo(true).slow_log(Duration::from_nanos(1));
    let sessions = SessionManager::from_config(config).await.unwrap();
    let letters = sessions.repository::<Letter>();
    let capture = Capture::begin();
    let options = TransactionOptions::new();
    let c = Letter::COLUMNS;

    sessions
        .transaction(options.name("write"), async |session| {
            letters.add(&mut secret(1))?;
            letters.add_all(&mut [secret(2), secret(3)])?;
            session.flush().await?;
            let mut read = letters.get(2).await?;
            read.subject.push_str(SECRET);
            letters.save(&mut read)?;
            letters.upsert(&mut secret(1))?;
            letters.filter(c.subject.eq(SECRET)).all().await?;
            letters.filter(c.subject.in_list([SECRET, SECRET])).count().await?;
            letters.filter(c.subject.contains(SECRET)).update([c.body.set(SECRET.to_owned())]).await?;
            session
                .sql("SELECT subject FROM letters WHERE body = $1")
                .bind(SECRET.to_owned())
                .fetch_all::<(String,)>()
                .await?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    letters.filter(c.body.eq(SECRET)).all().await.unwrap();

    // Errors of every stage.
    let taken = Letter { subject: secret(3).subject, ..secret(4) };
    let error = letters.autocommit().add_now(&mut taken.clone()).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert!(!error.to_string().contains(SECRET), "{error}");
    let stale = Letter { version: 7, ..secret(3) };
    letters.autocommit().save_if_now(&mut stale.clone(), 7).await.unwrap_err();
    let failed = sessions
        .transaction(options.name("doomed"), async |session| {
            letters.add_now(&mut taken.clone()).await.unwrap_err();
            let error = session.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap_err();
            assert!(!error.to_string().contains(SECRET), "{error}");
            Ok::<_, Error>(())
        })
        .await;
    assert!(failed.unwrap_err().is_rollback_only());
    let abandoned = sessions.begin();
    abandoned.run(letters.add_now(&mut secret(5))).await.unwrap();
    drop(abandoned);

    assert!(capture.units_of_work().len() >= 5 && !capture.events("spakky::sql").is_empty());
    let told = capture.all();
    assert!(
        !told.contains(SECRET),
        "{}",
        told.split(SECRET).next().unwrap().chars().rev().take(300).collect::<String>()
    );
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!told.contains(bytes.trim_matches(['[', ']'])));
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!told.contains(&hex));
}

#[spakky::test(backend = postgres)]
async fn the_password_of_the_url_is_told_to_nobody(db: TestDatabase) {
    let url = db.url().replacen("://", &format!("://{SECRET}:{SECRET}@"), 1);
    let capture = Capture::begin();
    let config = DatabaseConfig::new(url);
    assert!(!format!("{config:?} {config}").contains(&format!(":{SECRET}")));
    let outcome = SessionManager::from_config(config).await;
    let shown = format!("{outcome:?}");
    assert!(!shown.contains(&format!("{SECRET}@")) && !capture.all().contains(SECRET), "{shown}");
}
