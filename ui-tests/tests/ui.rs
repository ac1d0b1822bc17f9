//! One file per mistake or allowed form, in `ui/<macro>/{fail,pass}/`. Bless with `TRYBUILD=overwrite`.
//!
//! What needs a backend is in the package `bridge`, so that all else is compiled without one.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/*/pass/*.rs");
    cases.compile_fail("tests/ui/*/fail/*.rs");
}

#[test]
fn what_the_compiler_says_of_a_missing_trait_is_shown_by_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for krate in ["spakky-runtime", "spakky-derive", "spakky-outbox", "."] {
        collect(&root.join(krate).join("src"), "rs", &mut sources);
    }
    let mut expected = Vec::new();
    collect(&root.join("ui-tests"), "stderr", &mut expected);
    let expected: Vec<String> = expected.iter().map(|path| read(path)).collect();

    let texts: Vec<Text> = sources.iter().flat_map(|path| texts(&read(path))).collect();
    assert!(texts.len() > 40, "only {} texts were found", texts.len());
    let missing: Vec<&Text> =
        texts.iter().filter(|text| !expected.iter().any(|expected| text.is_shown(expected))).collect();
    assert!(missing.is_empty(), "no case shows these texts: {missing:#?}");
}

/// The parts of one `#[diagnostic::on_unimplemented(..)]`.
#[derive(Debug)]
struct Text(Vec<String>);

impl Text {
    /// Whether each part is in a line of its own, whatever stands in for its parameters.
    fn is_shown(&self, expected: &str) -> bool {
        self.0.iter().all(|part| expected.lines().any(|line| fits(part, line)))
    }
}

fn texts(source: &str) -> Vec<Text> {
    let attributes = source.split("#[diagnostic::on_unimplemented(").skip(1);
    attributes.map(|rest| Text(literals(rest))).collect()
}

/// The string literals up to the end of the attribute, as the compiler reads them.
fn literals(tokens: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = tokens.chars().peekable();
    while characters.by_ref().find(|&character| character == '"' || character == ')') == Some('"') {
        let mut literal = String::new();
        while let Some(character) = characters.next_if(|&character| character != '"') {
            match (character, characters.peek()) {
                ('\\', Some('\n')) => while characters.next_if(|character| character.is_whitespace()).is_some() {},
                ('\\', _) => literal.extend(characters.next()),
                _ => literal.push(character),
            }
        }
        characters.next();
        found.push(literal);
    }
    found
}

/// `{Self}` stands for anything, `{{` for a brace.
fn fits(part: &str, line: &str) -> bool {
    let part = part.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut rest = Some(line);
    for piece in part.split('{').enumerate().map(|(at, piece)| match at {
        0 => piece,
        _ => piece.split_once('}').map_or(piece, |(_, piece)| piece),
    }) {
        let piece = piece.replace('\u{1}', "{").replace('\u{2}', "}");
        rest = rest.and_then(|rest| rest.split_once(&piece)).map(|(_, rest)| rest);
    }
    rest.is_some()
}

/// The files with this extension, in this folder and those below it.
fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|other| other == extension) {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
