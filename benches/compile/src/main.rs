//! How long cargo takes for a crate of tables with 10 columns each, dependencies built.
//!
//! `cargo run -- [--tables 50] [--work check] [--runs 5] [plain] [spakky] [diesel] [sea-orm] [toasty]` writes one crate for
//! each library under `target/generated`, builds what it depends on, and then measures again and again after a change.
//! `--tables` and `--work` (`check`, `incremental`, `release`) may be given several times. Without names `plain` and
//! `spakky` are measured. The table is Markdown; `--write FILE` puts it into the section `compile` of a document.

mod library;
mod measure;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use library::Library;
use measure::Work;

struct Options {
    tables: Vec<usize>,
    work: Vec<Work>,
    runs: usize,
    libraries: Vec<Library>,
    document: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

fn run(options: &Options) -> Result<(), String> {
    let mut table = String::from("Seconds, median.\n\n|");
    let columns = options.work.iter().flat_map(|work| options.tables.iter().map(move |tables| (*work, *tables)));
    let columns = columns.collect::<Vec<_>>();
    columns.iter().for_each(|(work, tables)| table.push_str(&format!(" | {work}, {tables} tables")));
    table.push_str(&format!(" |\n|---|{}\n", "---:|".repeat(columns.len())));
    for library in &options.libraries {
        table.push_str(&format!("| {}", library.name()));
        for (work, tables) in &columns {
            eprintln!("{}: {work}, {tables} tables of {} columns", library.name(), source::COLUMNS);
            let folder = generated().join(library.name());
            library.write(&folder, *tables)?;
            table.push_str(&format!(" | {:.2}", measure::median(&folder, *work, options.runs)?));
        }
        table.push_str(" |\n");
    }
    print!("{table}");
    options.document.as_deref().map_or(Ok(()), |document| write_section(document, &table))
}

fn write_section(document: &Path, table: &str) -> Result<(), String> {
    const MARKS: [&str; 2] = ["<!-- compile: begin -->\n", "<!-- compile: end -->"];
    let failed = |error| format!("failed to write {}: {error}", document.display());
    let text = fs::read_to_string(document).map_err(failed)?;
    let sides = text.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = sides.ok_or_else(|| format!("{} has no section `compile`", document.display()))?;
    fs::write(document, format!("{before}{}\n{table}\n{}{after}", MARKS[0], MARKS[1])).map_err(failed)
}

fn failed(message: &str) -> ExitCode {
    eprintln!("compile-bench: {message}");
    ExitCode::FAILURE
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> PathBuf {
    here().join("target").join("generated")
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Options { tables: Vec::new(), work: Vec::new(), runs: 5, libraries: Vec::new(), document: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--tables" => options.tables.push(number(&word, words.next())?),
                "--work" => options.work.push(Work::from_name(&words.next().unwrap_or_default())?),
                "--runs" => options.runs = number(&word, words.next())?,
                "--write" => options.document = words.next().map(PathBuf::from),
                name => options.libraries.push(Library::from_name(name)?),
            }
        }
        if options.tables.is_empty() {
            options.tables = vec![50];
        }
        if options.work.is_empty() {
            options.work = vec![Work::Check];
        }
        if options.libraries.is_empty() {
            options.libraries = vec![Library::Plain, Library::Spakky];
        }
        Ok(options)
    }
}

fn number(key: &str, word: Option<String>) -> Result<usize, String> {
    word.and_then(|word| word.parse().ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("`{key}` needs a number from 1 on"))
}
