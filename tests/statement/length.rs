//! Text that is longer than its column, and tables that are not there: the same failure on every backend.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![text_that_is_too_long_is_refused_before_it_is_sent, what_is_not_in_the_database_is_a_schema_error];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "labels")]
#[mappable(domain = Self)]
struct Label {
    #[table(id)]
    id: i64,
    #[table(length = 5)]
    text: String,
    #[table(length = 3)]
    hint: Option<String>,
}

fn label(id: i64, text: &str) -> Label {
    Label { id, text: text.to_owned(), hint: None }
}

async fn text_that_is_too_long_is_refused_before_it_is_sent(db: Database) {
    db.sessions.create_tables(&schema![Label]).await.unwrap();
    let labels = db.sessions.repository::<Label>();
    let refused = "store column `text` of `labels`: the text has 6 characters, and the column takes 5";
    let work = db.sessions.transaction(TransactionOptions::new(), async |session| {
        // Characters count, not bytes.
        labels.add_now(&mut label(1, "äöüßé")).await?;
        let mut first = labels.get(1).await?;
        first.text = "äöüßéa".to_owned();
        let before = session.statistics().statements;
        let text = Label::COLUMNS.text;
        let errors = [
            labels.add(&mut label(2, "abcdef")).unwrap_err(),
            labels.upsert(&mut label(2, "abcdef")).unwrap_err(),
            labels.save(&mut first).unwrap_err(),
            labels.filter(Label::COLUMNS.id.eq(1)).update([text.set("abcdef".to_owned())]).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_mapping(), "{error:?}");
            assert_eq!(error.to_string(), refused);
            assert_eq!((error.table(), error.columns()), (Some("labels"), &["text".to_owned()][..]));
        }
        let long = Label { hint: Some("four".to_owned()), ..label(2, "") };
        let error = labels.add(&mut long.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "store column `hint` of `labels`: the text has 4 characters, and the column takes 3"
        );
        assert_eq!(session.statistics().statements, before);
        // No row has it, which is no failure.
        assert_eq!(labels.filter(text.eq("abcdef".to_owned())).count().await?, 0);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(labels.get(1).await.unwrap(), label(1, "äöüßé"));
}

async fn what_is_not_in_the_database_is_a_schema_error(db: Database) {
    let labels = db.sessions.repository::<Label>().autocommit();
    let sql = |text: &str| db.sessions.sql(text);
    let errors = [
        labels.get(1).await.unwrap_err(),
        labels.add_now(&mut label(1, "a")).await.unwrap_err(),
        sql("SELECT 1 FROM nowhere").fetch_all::<(i64,)>().await.unwrap_err(),
        sql("SELECT missing FROM accounts").fetch_all::<(i64,)>().await.unwrap_err(),
        sql("INSERT INTO accounts (missing) VALUES (1)").execute().await.unwrap_err(),
        sql("UPDATE accounts SET missing = 1").execute().await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_schema(), "{error:?}");
    }
    let error = sql("SELEKT 'no such table: accounts'").execute().await.unwrap_err();
    assert!(error.is_database(), "{error:?}");
}
