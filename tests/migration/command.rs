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
    the_url_may_come_from_a_file_and_is_shown_nowhere,
    a_changed_file_is_shown_and_taken_by_command,
    a_name_does_nothing_to_the_terminal,
];

/// What a mistyped URL of a file brings about.
mod missing {
    use super::*;

    #[tokio::test]
    async fn nothing_is_made_by_looking() {
        let (home, folder) = (Folder::new(), Folder::new());
        folder.file("20240101_first", "up.sql", "CREATE TABLE runs (step INTEGER);").file(
            "20240101_first",
            "down.sql",
            "DROP TABLE runs;",
        );
        let file = home.path().join("mistyped.db");
        let url = format!("sqlite://{}", file.display());
        let run = async |args: &[&str]| {
            let dir = folder.path().to_str().unwrap();
            let all = [&["migrations", "--url", &url, "--dir", dir], args].concat();
            let mut output = Vec::new();
            let ok = Command::from_args(all).unwrap().run(&schema![PartRow], &mut output).await;
            let output = String::from_utf8(output).unwrap().replace(file.to_str().unwrap(), "FILE");
            ok.map(|ok| (ok, output)).map_err(|error| {
                assert!(error.is_config() && !error.is_retryable());
                error.to_string().replace(file.to_str().unwrap(), "FILE")
            })
        };
        for looking in ["status", "down"] {
            let refusal = run(&[looking]).await.unwrap_err();
            assert_eq!(refusal, "open the database file `FILE`: there is no such file");
            assert_eq!(home.names(), [""; 0]);
        }
        for (args, is_well) in
            [(&["diff"][..], true), (&["diff", "--check"], false), (&["diff", "--name", "parts"], true)]
        {
            let (ok, output) = run(args).await.unwrap();
            let expected = "there is no `FILE` yet; an empty database differs by this\ncreate table `parts`\n";
            assert!(ok == is_well && output.starts_with(expected), "{output}");
            assert_eq!(home.names(), [""; 0]);
        }
        assert!(run(&["up"]).await.unwrap().1.starts_with("ran 20240101_first\nran "));
        assert!(home.names().contains(&"mistyped.db".to_owned()));
    }
}

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

async fn the_url_may_come_from_a_file_and_is_shown_nowhere(database: Database) {
    let folder = Folder::new();
    let file = folder.path().join("url");
    std::fs::write(&file, format!("\n{}\n", database.url())).unwrap();
    let dir = folder.path().join("migrations");
    let args = ["migrations", "--url-file", file.to_str().unwrap(), "--dir", dir.to_str().unwrap(), "diff"];
    let mut output = Vec::new();
    Command::from_args(args).unwrap().run(&schema![PartRow], &mut output).await.unwrap();
    assert!(String::from_utf8(output).unwrap().starts_with("create table `parts`\n"));
    let nowhere = ["migrations", "--url-file", "/no/such/file", "status"];
    let error = Command::from_args(nowhere).unwrap().run(&schema![PartRow], &mut Vec::new()).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!(error.to_string(), "read the database URL in `/no/such/file`");

    let url = "postgres://app:s3cret@db/shop";
    let command = Command::from_args(["migrations", "--url", url, "status"]).unwrap();
    assert!(!format!("{command:?}").contains("s3cret"));
    for mistyped in [
        &["migrations", url, "status"][..],
        &["migrations", "--ulr", url],
        &["migrations", "down", url],
        &["migrations", "status", &format!("--{url}")],
    ] {
        let error = Command::from_args(mistyped).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

async fn a_changed_file_is_shown_and_taken_by_command(database: Database) {
    let folder = Folder::new();
    folder.file("20240101_first", "up.sql", "SELECT 1;");
    let said = async |args: &[&str]| run(&database, &folder, args).await.map(|(_, output)| output);
    assert_eq!(said(&["up"]).await.unwrap(), "ran 20240101_first\n");
    folder.file("20240101_first", "up.sql", "SELECT 2;");
    assert_eq!(said(&["status"]).await.unwrap(), "changed 20240101_first\n");
    assert!(said(&["up"]).await.unwrap_err().is_schema());
    assert_eq!(said(&["up", "--accept-changed"]).await.unwrap(), "nothing to run\n");
    assert_eq!(said(&["status"]).await.unwrap(), "applied 20240101_first\n");
}

async fn a_name_does_nothing_to_the_terminal(database: Database) {
    let folder = Folder::new();
    folder.file("20240101_a\u{1b}[31m\nran 20240102_forged", "up.sql", "SELECT 1 / ;");
    let (_, shown) = run(&database, &folder, &["status"]).await.unwrap();
    assert_eq!(shown, "pending 20240101_a\\u{1b}[31m\\nran 20240102_forged\n");
    let error = run(&database, &folder, &["up"]).await.unwrap_err();
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}
