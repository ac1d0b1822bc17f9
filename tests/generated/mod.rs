//! Ids that the database assigns: drawn ahead of the rows, in the same burst.

mod add;
mod children;
mod column;
mod cost;
mod scope;
mod trigger;

use spakky::prelude::*;

use crate::support::Database;

/// The database assigns its id, and those of all that it holds.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "shelves")]
#[mappable(domain = Self)]
struct Shelf {
    #[table(id, generated)]
    id: i64,
    #[table(unique)]
    name: String,
    #[table(has_many(by = shelf_id))]
    bins: Vec<Bin>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "bins")]
#[mappable(domain = Self)]
struct Bin {
    #[table(id, generated)]
    id: i32,
    #[table(references(Shelf))]
    shelf_id: i64,
    label: String,
    #[table(has_many(by = bin_id))]
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "items")]
#[mappable(domain = Self)]
struct Item {
    #[table(id, generated)]
    id: i64,
    #[table(references(Bin))]
    bin_id: i32,
    text: String,
}

/// Its id is given, those of its pages are not.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "books")]
#[mappable(domain = Self)]
struct Book {
    #[table(id)]
    id: i64,
    title: String,
    #[table(has_many(by = book_id))]
    pages: Vec<Page>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "pages")]
#[mappable(domain = Self)]
struct Page {
    #[table(id, generated)]
    id: i64,
    #[table(references(Book))]
    book_id: i64,
    text: String,
}

/// The database makes all of it.
#[derive(Debug, Clone, PartialEq, Default, Table, Mappable)]
#[table(name = "tokens")]
#[mappable(domain = Token)]
struct TokenRow {
    #[table(id, generated)]
    id: i64,
    #[table(default = "7")]
    #[mappable(row_only)]
    rank: i32,
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    id: i64,
}

async fn create(db: &Database) {
    db.observer().create_tables(&schema![Shelf, Bin, Item, Book, Page, TokenRow]).await.unwrap();
}

fn shelf(name: &str, bins: Vec<Bin>) -> Shelf {
    Shelf { id: 0, name: name.to_owned(), bins, version: 0 }
}

fn bin(label: &str, texts: &[&str]) -> Bin {
    let items = texts.iter().map(|text| Item { id: 0, bin_id: 0, text: (*text).to_owned() }).collect();
    Bin { id: 0, shelf_id: 0, label: label.to_owned(), items }
}

/// Two bins, three items.
fn full(name: &str) -> Shelf {
    shelf(name, vec![bin("left", &["a", "b"]), bin("right", &["c"])])
}

fn book(id: i64, texts: &[&str]) -> Book {
    let pages = texts.iter().map(|text| Page { id: 0, book_id: 0, text: (*text).to_owned() }).collect();
    Book { id, title: format!("book {id}"), pages, version: 0 }
}

/// The names in the order of the ids.
async fn names(db: &Database) -> Vec<String> {
    let rows: Vec<(String,)> = db.observer().sql("SELECT name FROM shelves ORDER BY id").fetch_all().await.unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

/// What lies where.
async fn items(db: &Database) -> Vec<(String, String, String)> {
    let sql = "SELECT s.name, b.label, i.text FROM items AS i JOIN bins AS b ON b.id = i.bin_id \
               JOIN shelves AS s ON s.id = b.shelf_id ORDER BY s.name, b.label, i.text";
    db.observer().sql(sql).fetch_all().await.unwrap()
}

/// What lies on full shelves of these names.
fn full_items(names: &[&str]) -> Vec<(String, String, String)> {
    let places = [("left", "a"), ("left", "b"), ("right", "c")];
    let on = |name: &&str| {
        let name = (*name).to_owned();
        places.map(|(label, text)| (name.clone(), label.to_owned(), text.to_owned()))
    };
    names.iter().flat_map(on).collect()
}
