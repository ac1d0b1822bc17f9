//! How long `cargo check` takes for a crate of 50 tables with 10 columns each, dependencies built.
//!
//! `cargo run -- [--tables 50] [--runs 5] [plain] [spakky] [diesel] [sea-orm]` writes one crate for each library under
//! `target/generated`, checks it once to build what it depends on, then checks it again and again after touching its
//! source, without incremental compilation, and prints the median. Without names it measures `plain` and `spakky`.

mod library;
mod measure;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use library::Library;

struct Options {
    tables: usize,
    runs: usize,
    libraries: Vec<Library>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => return failed(&message),
    };
    println!("{} tables of {} columns, median of {} runs", options.tables, source::COLUMNS, options.runs);
    for library in &options.libraries {
        match measure_one(*library, &options) {
            Ok(median) => println!("{:<10} {:>8.2} s", library.name(), median),
            Err(message) => return failed(&message),
        }
    }
    ExitCode::SUCCESS
}

fn failed(message: &str) -> ExitCode {
    eprintln!("compile-bench: {message}");
    ExitCode::FAILURE
}

fn measure_one(library: Library, options: &Options) -> Result<f64, String> {
    let folder = generated().join(library.name());
    library.write(&folder, options.tables)?;
    measure::median(&folder, options.runs)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> PathBuf {
    here().join("target").join("generated")
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options { tables: 50, runs: 5, libraries: Vec::new() };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--tables" => options.tables = number(&word, words.next())?,
                "--runs" => options.runs = number(&word, words.next())?,
                name => options.libraries.push(Library::from_name(name)?),
            }
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
