//! The ready command.

use spakky::migrations::Command;
use spakky::prelude::*;

use super::folder::Folder;
use crate::support::{Database, on_each_backend};

on_each_backend![
    an_application_migrates_by_command,
    a_check_tells_by_its_result,
    destructive_steps_are_refused_by_the_command_too,
    a_command_that_is_none_is_explained,
];

#[derive(Debug, Clone, Table)]
#[table(name = "parts")]
struct PartRow {
    #[table(id)]
    id: i64,
}

/// Runs a command; answers whether all was well, and what it said.
async fn run(database: &Database, folder: &Folder, args: &[&str]) -> Result<(bool, String), spakky::Error> {
    let dir = folder.path().to_str().unwrap();
    let all = [&["migrations", "--url", database.url(), "--dir", dir], args].concat();
    let mut output = Vec::new();
    let ok = Command::from_args(all).unwrap().run(&schema![PartRow], &mut output).await?;
    Ok((ok, String::from_utf8(output).unwrap().replace(dir, "DIR")))
}

async fn an_application_migrates_by_command(database: Database) {
    let folder = Folder::new();
    let said = async |args: &[&str]| {
        let (ok, output) = run(&database, &folder, args).await.unwrap();
        assert!(ok);
        output
    };
    let shown = said(&["diff"]).await;
    assert!(
        shown.starts_with("create table `parts`\n\n-- create table `parts`\nCREATE TABLE \"parts\" (\n"),
        "{shown}"
    );
    assert!(shown.ends_with(";\n\nwrite it with `--name <NAME>`\n"), "{shown}");
    assert_eq!(folder.names(), [""; 0]);

    let wrote = said(&["diff", "--name", "add_parts"]).await;
    let name = folder.names().remove(0);
    assert_eq!(wrote, format!("create table `parts`\nwrote DIR/{name}\n"));
    assert_eq!(said(&["status"]).await, format!("pending {name}\n"));
    assert_eq!(said(&["up"]).await, format!("ran {name}\n"));
    assert_eq!(said(&["up"]).await, "nothing to run\n");
    assert_eq!(said(&["status"]).await, format!("applied {name}\n"));
    assert_eq!(said(&["diff"]).await, "the database fits the tables of the program\n");
    assert_eq!(said(&["down"]).await, format!("took back {name}\n"));
    assert_eq!(said(&["down", "2"]).await, "nothing to take back\n");
}

async fn a_check_tells_by_its_result(database: Database) {
    let folder = Folder::new();
    assert_eq!(
        run(&database, &folder, &["diff", "--check"]).await.unwrap(),
        (false, "create table `parts`\n".to_owned())
    );
    database.sessions.create_tables(&schema![PartRow]).await.unwrap();
    let fits = "the database fits the tables of the program\n".to_owned();
    assert_eq!(run(&database, &folder, &["diff", "--check"]).await.unwrap(), (true, fits));
    assert_eq!(folder.names(), [""; 0]);
}

async fn destructive_steps_are_refused_by_the_command_too(database: Database) {
    database.sessions.create_tables(&schema![PartRow]).await.unwrap();
    database.execute("ALTER TABLE parts ADD COLUMN note text").await;
    let folder = Folder::new();
    let error = run(&database, &folder, &["diff", "--name", "cut"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "write migration `cut`: drop column `note` of `parts`: its values are lost; allow it with `allow_destructive` \
         (`--allow-destructive`), or change the row type"
    );
    let (_, output) = run(&database, &folder, &["diff", "--name", "cut", "--allow-destructive"]).await.unwrap();
    let expected =
        format!("drop column `note` of `parts` (destructive: its values are lost)\nwrote DIR/{}\n", folder.names()[0]);
    assert_eq!(output, expected);
}

async fn a_command_that_is_none_is_explained(_database: Database) {
    for args in [&["migrations", "sideways"][..], &["migrations"], &["migrations", "diff", "--check", "--name", "x"]] {
        let error = Command::from_args(args).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
    let help = Command::from_args(["migrations", "--help"]).unwrap_err();
    assert_eq!(help.exit_code(), 0);
}
