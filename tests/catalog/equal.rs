//! Keys that the database finds equal and the program does not: children and rows are never missing in silence.

use std::fmt::Debug;

use futures_util::TryStreamExt;
use rust_decimal::Decimal;
use spakky::prelude::*;
use spakky::{CursorRequest, PageRequest};

use crate::support::{Database, Line, on_each_backend, on_postgres};

mod folded {
    use super::*;

    on_each_backend![keys_that_differ_in_case, upserts_find_rows_by_what_is_equal];
}

mod on_one {
    use super::*;

    on_postgres![
        keys_of_a_type_to_which_case_is_nothing,
        keys_that_are_filled_up_with_blanks,
        decimal_keys_with_other_zeros,
        texts_are_not_compared_by_another_rule_than_their_columns,
        a_key_may_have_a_length,
        a_length_or_scale_is_no_part_of_a_condition,
        children_spelled_otherwise_cost_one_round_trip_more,
    ];
}

/// Parents and their children, of which some spell the parent's key in their own way, read by every way there is.
macro_rules! families {
    ($module:ident, $key:ty) => {
        mod $module {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Table, Mappable)]
            #[table(name = "parents")]
            #[mappable(domain = Self)]
            pub(super) struct Parent {
                #[table(id)]
                pub(super) k: $key,
                pub(super) n: i64,
                #[table(has_many(by = parent, order_by = seq))]
                pub(super) kids: Vec<Kid>,
                #[table(version)]
                pub(super) version: i64,
            }

            #[derive(Debug, Clone, PartialEq, Table, Mappable)]
            #[table(name = "kids")]
            #[mappable(domain = Self)]
            pub(super) struct Kid {
                #[table(references(Parent))]
                pub(super) parent: $key,
                #[table(id)]
                pub(super) seq: i64,
                pub(super) note: String,
            }

            #[derive(Debug, Projection)]
            #[projection(row = Parent)]
            struct Family {
                #[projection(count(Kid, by = parent))]
                count: i64,
                #[projection(has_many(by = parent, order_by = seq))]
                kids: Vec<KidView>,
            }

            #[derive(Debug, Projection)]
            #[projection(row = Kid)]
            struct KidView {
                seq: i64,
            }

            #[derive(Debug, Projection)]
            #[projection(row = Kid)]
            struct KidOf {
                seq: i64,
                #[projection(joined(Parent.n, by = parent))]
                n: i64,
            }

            pub(super) async fn read(db: &Database, first: $key, others: &[$key]) {
                let (parents, kids) = (db.sessions.repository::<Parent>(), db.sessions.repository::<Kid>());
                let whole = |parent: &Parent| parent.kids.iter().map(|kid| kid.seq).collect::<Vec<_>>() == [1, 2, 3];
                let unit = TransactionOptions::new();
                for key in others.iter().chain([&first]) {
                    assert!(whole(&parents.get(key.clone()).await.unwrap()), "get {key:?}");
                    assert!(parents.exists(key.clone()).await.unwrap());
                    let found = parents.find_many([key.clone()]).await.unwrap();
                    assert!(found[0].as_ref().is_some_and(whole), "find_many {key:?}");
                    assert!(whole(&parents.get_many([key.clone()]).await.unwrap()[0]), "get_many {key:?}");
                    let inside = db.sessions.transaction(unit, async |_| parents.get(key.clone()).await);
                    assert!(whole(&inside.await.unwrap()), "in a scope {key:?}");
                }
                let asked: Vec<$key> = others.iter().chain([&first]).cloned().collect();
                let many = parents.get_many(asked.clone()).await.unwrap();
                assert!(many.len() == asked.len() && many.iter().all(whole), "{many:?}");
                let all = parents.query().order_by(Parent::COLUMNS.n.asc()).all().await.unwrap();
                assert_eq!(all.iter().map(|parent| parent.kids.len()).collect::<Vec<_>>(), [3, 1]);
                let page =
                    parents.query().order_by(Parent::COLUMNS.n.asc()).page(PageRequest::new(1).size(10)).await.unwrap();
                assert_eq!(page.items.iter().map(|parent| parent.kids.len()).collect::<Vec<_>>(), [3, 1]);
                let page = parents
                    .query()
                    .order_by(Parent::COLUMNS.n.asc())
                    .cursor_page(CursorRequest::first(10))
                    .await
                    .unwrap();
                assert_eq!(page.items.iter().map(|parent| parent.kids.len()).collect::<Vec<_>>(), [3, 1]);
                let streamed: Vec<Parent> = parents.query().stream().await.unwrap().try_collect().await.unwrap();
                assert_eq!(streamed.iter().map(|parent| parent.kids.len()).sum::<usize>(), 4);
                let views = parents.query().order_by(Parent::COLUMNS.n.asc()).project::<Family>().all().await.unwrap();
                let views =
                    views.iter().map(|view| (view.count, view.kids.iter().map(|kid| kid.seq).collect::<Vec<_>>()));
                assert_eq!(views.collect::<Vec<_>>(), [(3, vec![1, 2, 3]), (1, vec![4])]);
                let of = kids.query().order_by(Kid::COLUMNS.seq.asc()).project::<KidOf>().all().await.unwrap();
                assert_eq!(of.iter().map(|kid| (kid.seq, kid.n)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1), (4, 2)]);
            }

            /// What was read is saved as what it is: the children are changed in place.
            pub(super) async fn save(db: &Database, key: $key) {
                let parents = db.sessions.repository::<Parent>();
                db.execute("UPDATE kids SET note = 'kept' WHERE seq = 3").await;
                let saved = db.sessions.transaction(TransactionOptions::new(), async |_| {
                    let mut parent = parents.get(key.clone()).await?;
                    parent.n = 7;
                    parent.kids[1].note = "changed".to_owned();
                    parents.save(&mut parent)?;
                    Ok::<_, spakky::Error>(parent)
                });
                let saved = saved.await.unwrap();
                let read = parents.get(key).await.unwrap();
                assert_eq!((read.n, read.version), (7, 2));
                let notes = read.kids.iter().map(|kid| kid.note.as_str()).collect::<Vec<_>>();
                assert_eq!(notes, ["", "changed", "kept"]);
                assert_eq!(saved.kids.len(), 3);
            }
        }
    };
}

/// The key of the first family, as the parent spells it, and as its three children do; then that of the second.
async fn fill(db: &Database, ty: &str, keys: [&str; 4], other: &str) {
    let [parent, a, b, c] = keys;
    db.execute(&format!(
        "CREATE TABLE parents (k {ty} NOT NULL PRIMARY KEY, n bigint NOT NULL, version bigint NOT NULL)"
    ))
    .await;
    db.execute(&format!(
        "CREATE TABLE kids (parent {ty} NOT NULL REFERENCES parents, seq bigint PRIMARY KEY, note text NOT NULL)"
    ))
    .await;
    db.execute(&format!("INSERT INTO parents VALUES ({parent}, 1, 1), ({other}, 2, 1)")).await;
    db.execute(&format!("INSERT INTO kids VALUES ({a}, 1, ''), ({b}, 2, ''), ({c}, 3, ''), ({other}, 4, '')")).await;
}

const FOLDED: &str = "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";

families!(texts, String);

async fn keys_that_differ_in_case(db: Database) {
    let ty = if db.is_sqlite() {
        "text COLLATE NOCASE"
    } else {
        db.execute(FOLDED).await;
        "text COLLATE folded"
    };
    fill(&db, ty, ["'Top'", "'Top'", "'TOP'", "'tOP'"], "'Other'").await;
    texts::read(&db, "Top".into(), &["TOP".into(), "top".into()]).await;
    // A session would have two rows of what is one to the database.
    let parents = db.sessions.repository::<texts::Parent>().autocommit();
    let mut new = texts::Parent { k: "New".into(), n: 3, kids: Vec::new(), version: 0 };
    let error = parents.add_now(&mut new).await.unwrap_err();
    assert!(error.is_schema(), "{error:?}");
    assert_eq!(
        (error.table(), error.columns()),
        (Some("parents"), &["k".to_owned(), "parent".to_owned()][..usize::from(!db.is_sqlite()) + 1])
    );
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "members", unique(email))]
#[mappable(domain = Self)]
struct Member {
    #[table(id, generated)]
    id: i64,
    email: String,
    name: String,
}

fn member(email: &str, name: &str) -> Member {
    Member { id: 0, email: email.to_owned(), name: name.to_owned() }
}

async fn upserts_find_rows_by_what_is_equal(db: Database) {
    let (id, email) = if db.is_sqlite() {
        ("integer PRIMARY KEY AUTOINCREMENT", "text COLLATE NOCASE")
    } else {
        db.execute(FOLDED).await;
        ("bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "text COLLATE folded")
    };
    db.execute(&format!(
        "CREATE TABLE members (id {id}, email {email} NOT NULL CONSTRAINT uq_members_email UNIQUE, name text NOT NULL)"
    ))
    .await;
    let members = db.sessions.repository::<Member>().autocommit();
    members.add_all_now(&mut [member("ann@x", "Ann"), member("ben@x", "Ben")]).await.unwrap();
    let mut both = [member("BEN@x", "Benjamin"), member("Ann@X", "Anna"), member("cid@x", "Cid")];
    members.upsert_all_by_now(Member::UQ_EMAIL, &mut both).await.unwrap();
    assert_eq!(
        both.each_ref().map(|member| (member.id, member.name.as_str())),
        [(2, "Benjamin"), (1, "Anna"), (both[2].id, "Cid")]
    );
    assert_eq!(db.numbers("SELECT id FROM members WHERE name IN ('Anna', 'Benjamin') ORDER BY id").await, [1, 2]);
    let mut one = member("CID@X", "Cidney");
    members.upsert_by_now(Member::UQ_EMAIL, &mut one).await.unwrap();
    assert_eq!(one.id, both[2].id);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ColumnValue)]
#[column(pg_type = "citext")]
struct Name(String);

families!(names, Name);

async fn keys_of_a_type_to_which_case_is_nothing(mut db: Database) {
    db.execute("CREATE EXTENSION citext").await;
    db.sessions = db.connect(|config| config).await;
    fill(&db, "citext", ["'Top'", "'Top'", "'TOP'", "'tOP'"], "'Other'").await;
    let name = |text: &str| Name(text.to_owned());
    names::read(&db, name("Top"), &[name("TOP"), name("top")]).await;
    names::save(&db, name("Top")).await;
}

async fn keys_that_are_filled_up_with_blanks(db: Database) {
    fill(&db, "char(10)", ["'ab'", "'ab'", "'ab'", "'ab  '"], "'other'").await;
    texts::read(&db, "ab".into(), &[]).await;
    texts::save(&db, "ab".into()).await;
    let parents = db.sessions.repository::<texts::Parent>().autocommit();
    let kid = texts::Kid { parent: String::new(), seq: 9, note: String::new() };
    parents.add_now(&mut texts::Parent { k: "cd".into(), n: 3, kids: vec![kid], version: 0 }).await.unwrap();
    let mut read = parents.get("cd".into()).await.unwrap();
    assert_eq!((read.k.as_str(), read.kids[0].parent.as_str()), ("cd", "cd"));
    parents.upsert_now(&mut read).await.unwrap();
    parents.delete_by_id_now("cd".into()).await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM kids WHERE seq = 9").await, [0]);
}

families!(amounts, Decimal);

async fn decimal_keys_with_other_zeros(db: Database) {
    fill(&db, "numeric", ["1.5", "1.50", "1.500", "1.5"], "2").await;
    let amount = |text: &str| text.parse::<Decimal>().unwrap();
    amounts::read(&db, amount("1.5"), &[amount("1.50")]).await;
    amounts::save(&db, amount("1.5")).await;
}

/// A text that is compared with a `citext` as text finds fewer rows than the database's references do.
async fn texts_are_not_compared_by_another_rule_than_their_columns(mut db: Database) {
    db.execute("CREATE EXTENSION citext").await;
    db.sessions = db.connect(|config| config).await;
    fill(&db, "citext", ["'Top'", "'Top'", "'TOP'", "'tOP'"], "'Other'").await;
    let parents = db.sessions.repository::<texts::Parent>();
    let advice = "column `parent` is `citext`, to which texts are equal that are not equal to a `String`, and rows are found by it; make \
                  the field a newtype with `#[column(pg_type = \"citext\")]`, or the column `text`";
    let error = parents.get("Top".into()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("read `kids`: {advice}"));
    assert_eq!((error.table(), error.columns()), (Some("kids"), &["parent".to_owned()][..]));
    let error = parents.query().all().await.unwrap_err();
    assert_eq!(error.to_string(), format!("read `kids`: {advice}"));
    let unit = db.sessions.transaction(TransactionOptions::new(), async |_| parents.get("Top".into()).await);
    assert_eq!(unit.await.unwrap_err().to_string(), format!("read `kids`: {advice}"));
    let alone = db.sessions.repository::<texts::Kid>();
    assert_eq!(alone.query().count().await.unwrap(), 4);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ColumnValue)]
#[column(pg_type = "char(10)")]
struct Code(String);

families!(codes, Code);

async fn a_key_may_have_a_length(db: Database) {
    fill(&db, "char(10)", ["'ab'", "'ab'", "'ab'", "'ab'"], "'other'").await;
    codes::read(&db, Code("ab".into()), &[Code("ab ".into())]).await;
    codes::save(&db, Code("ab".into())).await;
    let diff = schema![codes::Parent, codes::Kid].diff(&db.sessions).await.unwrap();
    assert!(!diff.steps().iter().any(|step| step.to_string().contains("char")), "{:?}", diff.steps());
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(pg_type = "numeric(10,2)")]
struct Money(Decimal);

#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(pg_type = "varchar(3)")]
struct Short(String);

#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(pg_type = "char(3)")]
struct Fixed(String);

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "measured", unique(short))]
#[mappable(domain = Self)]
struct Measured {
    #[table(id)]
    id: i64,
    total: Money,
    short: Short,
    fixed: Fixed,
}

async fn a_length_or_scale_is_no_part_of_a_condition(db: Database) {
    db.sessions.create_tables(&schema![Measured]).await.unwrap();
    assert!(schema![Measured].diff(&db.sessions).await.unwrap().steps().is_empty());
    let rows = db.sessions.repository::<Measured>().autocommit();
    let (money, short) = (|text: &str| Money(text.parse().unwrap()), |text: &str| Short(text.to_owned()));
    let row =
        |id, text: &str| Measured { id, total: money("12.35"), short: short(text), fixed: Fixed("abc".to_owned()) };
    rows.add_all_now(&mut [row(1, "abc"), row(2, "abd")]).await.unwrap();
    let c = Measured::COLUMNS;
    for (predicate, count) in [
        (c.total.eq(money("12.349")), 0),
        (c.total.eq(money("12.35")), 2),
        (c.total.gt(money("12.346")), 2),
        (c.total.in_list([money("12.349"), money("12.354")]), 0),
        (c.short.eq(short("abcd")), 0),
        (c.short.in_list([short("abcd"), short("abc")]), 1),
        (c.fixed.eq(Fixed("abcd".to_owned())), 0),
        (c.fixed.eq(Fixed("abc".to_owned())), 2),
    ] {
        assert_eq!(rows.filter(predicate).count().await.unwrap(), count);
    }
    // What the column cannot hold is refused by it, where a cast would have cut it in silence.
    let error = rows.add_now(&mut row(3, "abcd")).await.unwrap_err();
    assert!(error.is_mapping(), "{error:?}");
    let error = rows.update_where(c.id.eq(1), [c.fixed.set(Fixed("abcd".to_owned()))]).await.unwrap_err();
    assert!(error.is_mapping(), "{error:?}");
    let error = rows.upsert_all_now(&mut [row(1, "abx"), row(2, "abcd")]).await.unwrap_err();
    assert!(error.is_mapping(), "{error:?}");
    assert_eq!(db.numbers("SELECT id FROM measured WHERE short LIKE 'ab_' ORDER BY id").await, [1, 2]);
}

async fn children_spelled_otherwise_cost_one_round_trip_more(db: Database) {
    fill(&db, "numeric", ["1.5", "1.50", "1.500", "1.5"], "2").await;
    let line = Line::new(&db).await;
    let parents = line.sessions.repository::<amounts::Parent>();
    let cost = line.cost(parents.get("2".parse().unwrap())).await;
    assert_eq!((cost.value.unwrap().kids.len(), cost.round_trips), (1, 1));
    let cost = line.cost(parents.get("1.5".parse().unwrap())).await;
    assert_eq!((cost.value.unwrap().kids.len(), cost.round_trips), (3, 2));
}
