//! Ten processes that start at once. Each is this test binary, told by its environment to migrate.

use std::process::{Command, Stdio};

use super::folder::Folder;
use crate::support::{Database, on_each_backend};

on_each_backend![ten_processes_that_start_at_once_migrate_once];

const URL: &str = "SPAKKY_TEST_MIGRATE_URL";
const DIR: &str = "SPAKKY_TEST_MIGRATE_DIR";

async fn ten_processes_that_start_at_once_migrate_once(database: Database) {
    let folder = Folder::new();
    folder.file("1_first", "up.sql", "CREATE TABLE runs (step INTEGER); INSERT INTO runs VALUES (1)").file(
        "2_second",
        "up.sql",
        "INSERT INTO runs VALUES (2)",
    );
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "migration::process::migrate_if_told_to", "--nocapture"])
            .envs([(URL, database.url()), (DIR, folder.path().to_str().unwrap())])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..10).map(|_| start()).collect();
    let mut ran = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        ran += text.matches("ran this").count();
    }
    assert_eq!(ran, 2);
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2]);
}

/// What each of them runs. By itself it migrates nothing.
#[tokio::test]
async fn migrate_if_told_to() {
    let (Ok(url), Ok(dir)) = (std::env::var(URL), std::env::var(DIR)) else { return };
    let sessions = spakky::SessionManager::connect(url).await.unwrap();
    for _ in spakky::migrations::Migrator::from_dir(dir).unwrap().up(&sessions).await.unwrap() {
        println!("ran this");
    }
}
