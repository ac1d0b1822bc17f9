//! Texts of which it is known what they say: statements that a database takes, with each kind of quote, comment and place, and
//! in all of them whatever would mean something outside.

use proptest::prelude::*;

use crate::sql::Dialect;

/// A text, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) sql: String,
    pub(crate) statements: usize,
    /// How many values the text takes.
    pub(crate) values: usize,
}

/// One column of a `SELECT`, with the places in it.
#[derive(Debug, Clone)]
struct Column {
    sql: String,
    value: Option<usize>,
}

/// What looks as if it said something.
fn noise() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'", "\"", "`", "[", "]", "$", "$$", "$a$", "$1", "?", "?9", ":n", "/*", "*/", "--", "\n", "\r", ";", "\\",
        "\\'", "E'", "U&'", "x'", "COMMIT", "BEGIN", "END", "(", ")", " ", "é", "\u{FEFF}", "a", "0",
    ]);
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

/// A statement's parts are held apart by one of these at least.
fn space(dialect: Dialect) -> impl Strategy<Value = String> {
    let line = move |text: String| match dialect {
        Dialect::Sqlite => format!("--{}\n", text.replace('\n', " ")),
        _ => format!("--{}\r", text.replace(['\n', '\r'], " ")),
    };
    let block = move |text: String| match dialect {
        // What is opened inside is not closed.
        Dialect::Sqlite => format!("/*{}/* */", text.replace(['*', '/'], " ")),
        _ => {
            let inside = text.replace(['*', '/'], " ");
            format!("/*{inside}/*{inside}*/{inside}*/")
        }
    };
    prop_oneof![
        Just(" ".to_owned()),
        Just("\n\t".to_owned()),
        noise().prop_map(line),
        noise().prop_map(block),
        (noise(), noise()).prop_map(move |(a, b)| format!("{}{}", block(a), line(b))),
    ]
}

fn doubled(text: &str, quote: char) -> String {
    text.replace(quote, &format!("{quote}{quote}"))
}

/// In a text where a backslash takes the next character.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn column(dialect: Dialect) -> BoxedStrategy<Column> {
    let plain = |sql: String| Column { sql, value: None };
    let named = |quoted: String| Column { sql: format!("1 AS {quoted}"), value: None };
    let name = move |text: String| named(format!("\"n{}\"", doubled(&text, '"')));
    let value = 1..5_usize;
    match dialect {
        Dialect::Sqlite => prop_oneof![
            noise().prop_map(move |text| plain(format!("'{}'", doubled(&text, '\'')))),
            noise().prop_map(name),
            noise().prop_map(move |text| named(format!("`n{}`", doubled(&text, '`')))),
            noise().prop_map(move |text| named(format!("[n{}]", text.replace(']', "[")))),
            Just(plain("x'1f' || 1.5e3".to_owned())),
            Just(plain("1 AS a$1".to_owned())),
            Just(plain("2-1/1*1".to_owned())),
            value.clone().prop_map(|number| Column { sql: format!("${number}"), value: Some(number) }),
            value.prop_map(|number| Column { sql: format!("?{number}"), value: Some(number) }),
        ]
        .boxed(),
        Dialect::Postgres { backslashes } => {
            let text = move |text: &str| if backslashes { escaped(text) } else { doubled(text, '\'') };
            let tag = prop::sample::select(vec!["$$", "$a$", "$tag_1$", "$é$"]);
            prop_oneof![
                noise().prop_map(move |noise| plain(format!("'{}'", text(&noise)))),
                noise().prop_map(move |noise| plain(format!("N'{}'", text(&noise)))),
                noise().prop_map(move |noise| plain(format!("E'{}'", escaped(&noise)))),
                (noise(), noise()).prop_map(move |(a, b)| {
                    plain(format!("E'{}' --'{}\n '{}'", escaped(&a), b.replace(['\n', '\r'], " "), escaped(&b)))
                }),
                (noise(), noise()).prop_map(move |(a, b)| plain(format!("'{}'\n\t'{}'", text(&a), text(&b)))),
                noise().prop_map(move |noise| match backslashes {
                    true => plain("b'01'".to_owned()),
                    false => plain(format!("U&'{}'", doubled(&noise.replace('\\', ""), '\''))),
                }),
                (tag, noise()).prop_map(move |(tag, noise)| plain(format!("{tag}{}{tag}", noise.replace('$', " ")))),
                noise().prop_map(name),
                noise().prop_map(move |noise| match backslashes {
                    true => plain("x'1f'".to_owned()),
                    false => named(format!("U&\"n{}\"", doubled(&noise.replace('\\', ""), '"'))),
                }),
                Just(plain("(ARRAY[1, 2])[1] + .5".to_owned())),
                Just(plain("1 AS a$1".to_owned())),
                Just(plain("3 - -1 * 2 ^ 1".to_owned())),
                value.prop_map(|number| Column { sql: format!("${number}::text"), value: Some(number) }),
            ]
            .boxed()
        }
        Dialect::Shared => Just(plain("1".to_owned())).boxed(),
    }
}

/// One `SELECT`.
pub(crate) fn statement(dialect: Dialect) -> impl Strategy<Value = Text> {
    let columns = prop::collection::vec((space(dialect), column(dialect), space(dialect)), 1..5);
    (space(dialect), columns).prop_map(move |(before, columns)| {
        let values = columns.iter().filter_map(|(_, column, _)| column.value).max().unwrap_or_default();
        let columns = columns.into_iter().map(|(before, column, behind)| format!("{before}{}{behind}", column.sql));
        // PostgreSQL wants to know the type of each value up to the last.
        let others = (1..=values).map(|number| format!("${number}::text")).filter(|_| dialect != Dialect::Sqlite);
        let columns: Vec<String> = columns.chain(others).collect();
        Text { sql: format!("{before}SELECT{}", columns.join(",")), statements: 1, values }
    })
}

/// Several, also empty ones.
pub(crate) fn script(dialect: Dialect) -> impl Strategy<Value = Text> {
    let one = prop_oneof![4 => statement(dialect), 1 => space(dialect).prop_map(|sql| Text { sql, statements: 0, values: 0 })];
    prop::collection::vec(one, 0..5).prop_map(|texts| {
        let statements = texts.iter().map(|text| text.statements).sum();
        let values = texts.iter().map(|text| text.values).max().unwrap_or_default();
        let texts: Vec<String> = texts.into_iter().map(|text| text.sql).collect();
        Text { sql: texts.join(";"), statements, values }
    })
}
