//! What the library tells of itself: spans, events and metrics, without a value of the user's in them.

mod burst;
pub(crate) mod capture;
mod lent;
mod message;
mod metric;
mod migration;
mod secrecy;
mod span;

use spakky::prelude::*;

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "letters", unique(subject))]
#[mappable(domain = Self)]
struct Letter {
    #[table(id)]
    id: i64,
    subject: String,
    body: Option<String>,
    attachment: Vec<u8>,
    pages: Vec<String>,
    #[table(version)]
    version: i64,
}

fn letter(id: i64) -> Letter {
    let page = || "a page".to_owned();
    Letter { id, subject: format!("no. {id}"), body: None, attachment: vec![1], pages: vec![page()], version: 0 }
}
