//! Every form of function that the attribute is put on.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, account, on_each_backend};

on_each_backend! {
    a_free_function_names_its_sessions,
    arguments_may_be_patterns,
    an_argument_may_be_changed,
    names_may_be_raw,
    a_function_may_be_generic,
    arguments_and_results_may_borrow,
    arguments_and_results_may_be_unnamed_types,
    the_body_is_typed_as_if_nothing_were_around_it,
    the_result_may_be_an_alias,
    the_receiver_may_be_any_pointer,
    a_trait_may_be_implemented,
    a_trait_may_have_a_body_of_its_own,
    an_async_trait_may_be_implemented,
    a_boxed_future_may_be_written_by_hand,
    the_function_may_be_instrumented,
    the_crate_may_have_another_name,
    a_function_may_come_from_a_macro,
    an_error_may_be_returned_early_with_a_question_mark,
}

type Accounts = Repository<spakky_row::Row>;

/// The row under a shorter name.
mod spakky_row {
    pub(super) use crate::support::AccountRow as Row;
}

#[transactional(sessions = sessions)]
async fn open(sessions: &SessionManager, accounts: &Accounts, id: i64) -> Result<(), BankError> {
    Ok(accounts.add(&mut account(id, "ann", 0))?)
}

async fn a_free_function_names_its_sessions(database: Database) {
    open(&database.sessions, &database.account_repository(), 1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

struct Pair {
    left: i64,
    right: i64,
}

impl Bank {
    #[transactional]
    async fn patterns(
        &self,
        (a, mut b): (i64, i64),
        _: &str,
        Pair { left, ref right }: Pair,
        [x, ..]: [i64; 3],
        _unused: String,
    ) -> Result<i64, BankError> {
        b += 10;
        self.open(a)?;
        self.open(b)?;
        Ok(left + right + x)
    }

    #[transactional]
    async fn changed(&self, mut ids: Vec<i64>, mut extra: i64) -> Result<usize, BankError> {
        extra += 1;
        ids.push(extra);
        for id in &ids {
            self.open(*id)?;
        }
        Ok(ids.len())
    }
}

async fn arguments_may_be_patterns(database: Database) {
    let pair = Pair { left: 100, right: 20 };
    let sum = Bank::new(&database).patterns((1, 2), "", pair, [3, 4, 5], String::new()).await.unwrap();
    assert_eq!(sum, 123);
    assert_eq!(stored(&database).await, [1, 12]);
}

async fn an_argument_may_be_changed(database: Database) {
    assert_eq!(Bank::new(&database).changed(vec![1, 2], 2).await.unwrap(), 3);
    assert_eq!(stored(&database).await, [1, 2, 3]);
}

impl Bank {
    #[transactional]
    async fn r#move(&self, r#type: i64) -> Result<&'static str, BankError> {
        self.open(r#type)?;
        Ok(Session::current()?.name())
    }
}

async fn names_may_be_raw(database: Database) {
    let name = Bank::new(&database).r#move(1).await.unwrap();
    assert_eq!(name, "main::transactional::shape::move");
    assert_eq!(stored(&database).await, [1]);
}

/// A service over any store.
struct Service<S> {
    bank: Bank,
    store: S,
}

impl<S> HasSessions for Service<S> {
    fn sessions(&self) -> &SessionManager {
        self.bank.sessions()
    }
}

impl<S> Service<S>
where
    S: AsRef<str> + Send + Sync,
{
    #[transactional]
    async fn generic<'a, T, E, const N: usize>(&self, first: &'a T, ids: [T; N]) -> Result<&'a T, E>
    where
        T: Copy + Into<i64> + Send + Sync,
        E: From<spakky::Error> + From<BankError> + Send,
    {
        for id in ids {
            self.bank.open(id.into())?;
        }
        assert_eq!(self.store.as_ref(), "store");
        Ok(first)
    }
}

async fn a_function_may_be_generic(database: Database) {
    let service = Service { bank: Bank::new(&database), store: "store" };
    let first = service.generic::<i32, BankError, 2>(&7, [1, 2]).await.unwrap();
    assert_eq!(*first, 7);
    assert_eq!(stored(&database).await, [1, 2]);
}

impl Bank {
    #[transactional]
    async fn longest<'a>(&self, left: &'a str, right: &'a str) -> Result<&'a str, BankError> {
        Ok(if left.len() > right.len() { left } else { right })
    }

    #[transactional]
    async fn own_sessions(&self) -> Result<&SessionManager, BankError> {
        Ok(&self.sessions)
    }

    #[transactional(sessions = sessions)]
    async fn elided(sessions: &SessionManager) -> Result<impl Iterator<Item = i64> + use<'_>, BankError> {
        let backend = sessions.backend();
        Ok((0..3).filter(move |_| backend == sessions.backend()))
    }
}

async fn arguments_and_results_may_borrow(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.longest("a", "bb").await.unwrap(), "bb");
    assert_eq!(bank.own_sessions().await.unwrap().backend(), database.backend());
    assert_eq!(Bank::elided(&database.sessions).await.unwrap().count(), 3);
}

impl Bank {
    #[transactional]
    async fn unnamed(&self, id: impl Into<i64> + Send) -> Result<impl Display, BankError> {
        let id = id.into();
        if id < 0 {
            return Err(BankError::Refused("negative"));
        }
        self.open(id)?;
        Ok(format!("account {id}"))
    }
}

async fn arguments_and_results_may_be_unnamed_types(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.unnamed(1).await.unwrap().to_string(), "account 1");
    assert!(matches!(bank.unnamed(-1).await.map(|shown| shown.to_string()), Err(BankError::Refused("negative"))));
    assert_eq!(stored(&database).await, [1]);
}

impl Bank {
    #[transactional]
    async fn coerced(&self) -> Result<Box<dyn Display + Send>, Box<dyn std::error::Error + Send + Sync>> {
        if self.accounts.exists(1).await? {
            Err("there already")?;
        }
        Ok(Box::new("coerced"))
    }

    #[transactional]
    async fn inferred(&self, words: &str) -> Result<Vec<u8>, BankError> {
        let first = 1;
        let mut numbers: Vec<_> = words.split(' ').map(|word| word.parse().unwrap_or_default()).collect();
        numbers.push(first);
        Ok(numbers)
    }

    #[transactional]
    async fn collected(&self, words: &[&str]) -> Result<std::collections::BTreeSet<i16>, BankError> {
        words.iter().map(|word| word.parse().map_err(|_| BankError::Refused("no number"))).collect()
    }

    #[transactional]
    async fn without_an_end(&self, limit: i64) -> Result<i64, BankError> {
        let mut id = 0;
        loop {
            id += 1;
            self.open(id)?;
            if id == limit {
                return Ok(id);
            }
        }
    }
}

async fn the_body_is_typed_as_if_nothing_were_around_it(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.coerced().await.unwrap().to_string(), "coerced");
    assert_eq!(bank.inferred("2 x 3").await.unwrap(), [2, 0, 3, 1]);
    assert_eq!(bank.collected(&["1", "2"]).await.unwrap().len(), 2);
    assert_eq!(bank.collected(&["x"]).await, Err(BankError::Refused("no number")));
    assert_eq!(bank.without_an_end(2).await.unwrap(), 2);
    assert_eq!(bank.coerced().await.map(|shown| shown.to_string()).unwrap_err().to_string(), "there already");
    assert_eq!(stored(&database).await, [1, 2]);
}

type BankResult<T = ()> = Result<T, BankError>;

impl Bank {
    #[transactional]
    async fn aliased(&self, id: i64) -> BankResult {
        self.open(id)
    }

    #[transactional(map_err = std::io::Error::other)]
    async fn aliased_in_std(&self, id: i64) -> std::io::Result<i64> {
        self.open(id).map_err(std::io::Error::other)?;
        Ok(id)
    }
}

async fn the_result_may_be_an_alias(database: Database) {
    let bank = Bank::new(&database);
    bank.aliased(1).await.unwrap();
    assert_eq!(bank.aliased_in_std(2).await.unwrap(), 2);
    assert_eq!(stored(&database).await, [1, 2]);
}

impl Bank {
    #[transactional]
    async fn by_arc(self: Arc<Self>, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional]
    async fn by_arc_reference(self: &Arc<Self>, id: i64) -> Result<usize, BankError> {
        self.open(id)?;
        Ok(Arc::strong_count(self))
    }

    #[transactional]
    async fn by_value(self, id: i64) -> Result<Self, BankError> {
        self.open(id)?;
        Ok(self)
    }

    #[transactional]
    async fn by_mutable_value(mut self, id: i64) -> Result<Self, BankError> {
        self.accounts = self.accounts.untracked();
        self.open(id)?;
        Ok(self)
    }

    #[transactional]
    async fn by_mutable_reference(&mut self, id: i64) -> Result<(), BankError> {
        self.accounts = self.accounts.untracked();
        self.open(id)
    }

    #[transactional]
    async fn by_pinned_reference(self: std::pin::Pin<&mut Self>, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional]
    async fn by_box(self: Box<Self>, id: i64) -> Result<(), BankError> {
        self.open(id)
    }
}

async fn the_receiver_may_be_any_pointer(database: Database) {
    let mut bank = Bank::new(&database);
    let shared = Arc::new(bank.clone());
    assert_eq!(shared.by_arc_reference(1).await.unwrap(), 1);
    shared.by_arc(2).await.unwrap();
    bank.by_mutable_reference(3).await.unwrap();
    std::pin::Pin::new(&mut bank).by_pinned_reference(4).await.unwrap();
    let bank = bank.by_value(5).await.unwrap();
    let bank = bank.by_mutable_value(6).await.unwrap();
    Box::new(bank).by_box(7).await.unwrap();
    assert_eq!(stored(&database).await, [1, 2, 3, 4, 5, 6, 7]);
}

trait Open {
    async fn open_it(&self, id: i64) -> Result<(), BankError>;
}

impl Open for Bank {
    #[transactional]
    async fn open_it(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Err(BankError::Refused("undone"))
    }
}

async fn a_trait_may_be_implemented(database: Database) {
    assert_eq!(Bank::new(&database).open_it(1).await, Err(BankError::Refused("undone")));
    assert_eq!(stored(&database).await, [0; 0]);
}

trait OpenTwo: HasSessions {
    fn open_one(&self, id: i64) -> Result<(), BankError>;

    #[transactional]
    async fn open_two(&self, id: i64) -> Result<&'static str, BankError> {
        self.open_one(id)?;
        self.open_one(id + 1)?;
        Ok(Session::current()?.name())
    }
}

impl OpenTwo for Bank {
    fn open_one(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }
}

async fn a_trait_may_have_a_body_of_its_own(database: Database) {
    let name = Bank::new(&database).open_two(1).await.unwrap();
    assert_eq!(name, "main::transactional::shape::open_two");
    assert_eq!(stored(&database).await, [1, 2]);
}

#[async_trait::async_trait]
trait OpenBoxed: Send + Sync {
    async fn open_boxed(&self, id: i64) -> Result<(), BankError>;
    async fn open_and_fail(&self, id: i64) -> Result<(), BankError>;
    async fn with_patterns(&self, (a, b): (i64, i64), mut c: i64, name: &str) -> Result<usize, BankError>;
    async fn of_an_arc(self: Arc<Self>, id: i64) -> Result<(), BankError>;
    async fn again(&self, (a, _): (i64, i64), tries: &AtomicI64) -> Result<(), BankError>;
    async fn arc_again(self: Arc<Self>, name: String, tries: &AtomicI64) -> Result<String, BankError>;

    #[transactional(sessions = self.boxed_sessions())]
    async fn open_by_default(&self, id: i64) -> Result<(), BankError> {
        self.open_boxed(id).await?;
        self.open_boxed(id + 1).await?;
        Session::current()?.set_rollback_only("to see that both are undone");
        Ok(())
    }

    fn boxed_sessions(&self) -> SessionManager;
}

#[async_trait::async_trait]
impl OpenBoxed for Bank {
    #[transactional]
    async fn open_boxed(&self, id: i64) -> Result<(), BankError> {
        let expected = ["main::transactional::shape::open_boxed", "main::transactional::shape::open_by_default"];
        assert!(expected.contains(&Session::current()?.name()));
        self.open(id)
    }

    #[transactional(sessions = &self.sessions)]
    async fn open_and_fail(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        if id > 0 {
            return Err(BankError::Refused("undone"));
        }
        Ok(())
    }

    #[transactional]
    async fn with_patterns(&self, (a, b): (i64, i64), mut c: i64, name: &str) -> Result<usize, BankError> {
        c += 1;
        self.open(a + b + c)?;
        Ok(name.len())
    }

    #[transactional]
    async fn of_an_arc(self: Arc<Self>, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn again(&self, (a, _): (i64, i64), tries: &AtomicI64) -> Result<(), BankError> {
        let tried = tries.fetch_add(1, Ordering::Relaxed);
        self.accounts.attach(&account(1, "owner 1", 0), if tried < a { 99 } else { 1 })?;
        Ok(self.accounts.save(&mut account(1, "renamed", 0))?)
    }

    #[transactional(retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn arc_again(self: Arc<Self>, mut name: String, tries: &AtomicI64) -> Result<String, BankError> {
        name.push('!');
        Arc::clone(&self).again((2, 0), tries).await?;
        drop(self);
        Ok(name)
    }

    fn boxed_sessions(&self) -> SessionManager {
        self.sessions.clone()
    }
}

async fn an_async_trait_may_be_implemented(database: Database) {
    let bank = Arc::new(Bank::new(&database));
    let boxed: &dyn OpenBoxed = &*bank;
    boxed.open_boxed(1).await.unwrap();
    assert_eq!(boxed.open_and_fail(2).await, Err(BankError::Refused("undone")));
    assert_eq!(boxed.with_patterns((1, 1), 0, "ann").await.unwrap(), 3);
    Arc::clone(&bank).of_an_arc(4).await.unwrap();
    let tries = AtomicI64::new(0);
    boxed.again((2, 0), &tries).await.unwrap();
    assert_eq!(tries.into_inner(), 3);
    database.execute("UPDATE accounts SET version = 1").await;
    let tries = AtomicI64::new(0);
    assert_eq!(Arc::clone(&bank).arc_again("ann".into(), &tries).await.unwrap(), "ann!");
    assert_eq!((tries.into_inner(), Arc::strong_count(&bank)), (3, 1));
    let error = boxed.open_by_default(7).await.unwrap_err();
    assert_eq!(error.kind(), Some(spakky::ErrorKind::RollbackOnly));
    assert_eq!(stored(&database).await, [1, 3, 4]);
}

impl Bank {
    #[transactional]
    fn boxed(&self, id: i64) -> std::pin::Pin<Box<dyn Future<Output = Result<(), BankError>> + Send + '_>> {
        let next = id + 1;
        Box::pin(async move {
            self.open(id)?;
            self.open(next)
        })
    }
}

async fn a_boxed_future_may_be_written_by_hand(database: Database) {
    Bank::new(&database).boxed(1).await.unwrap();
    assert_eq!(stored(&database).await, [1, 2]);
}

#[async_trait::async_trait]
trait Instrumented {
    async fn below(&self, id: i64) -> Result<(), BankError>;
    async fn above(&self, id: i64) -> Result<(), BankError>;
}

#[async_trait::async_trait]
impl Instrumented for Service<()> {
    #[transactional]
    #[tracing::instrument(skip(self), err(Debug))]
    async fn below(&self, id: i64) -> Result<(), BankError> {
        self.bank.open(id)
    }

    #[tracing::instrument(skip(self), err(Debug))]
    #[transactional]
    async fn above(&self, id: i64) -> Result<(), BankError> {
        self.bank.open(id)
    }
}

impl Bank {
    #[transactional]
    #[tracing::instrument(skip_all, fields(id))]
    async fn instrumented_below(&self, id: i64) -> Result<Option<&'static str>, BankError> {
        self.open(id)?;
        Ok(tracing::Span::current().metadata().map(tracing::Metadata::name))
    }

    #[tracing::instrument(skip(self))]
    #[transactional(retry(attempts = 2))]
    async fn instrumented_above(&self, mut id: i64) -> Result<Option<&'static str>, BankError> {
        id += 1;
        self.open(id)?;
        Ok(tracing::Span::current().metadata().map(tracing::Metadata::name))
    }
}

async fn the_function_may_be_instrumented(database: Database) {
    let bank = Bank::new(&database);
    let service = Service { bank: bank.clone(), store: () };
    service.below(1).await.unwrap();
    service.above(2).await.unwrap();
    assert_eq!(bank.instrumented_below(3).await.unwrap(), Some("spakky.unit_of_work"));
    assert_eq!(bank.instrumented_above(3).await.unwrap(), Some("instrumented_above"));
    assert_eq!(stored(&database).await, [1, 2, 3, 4]);
}

mod renamed {
    pub(super) use spakky as database;
}

impl Bank {
    #[transactional(crate = renamed::database)]
    async fn renamed(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }
}

async fn the_crate_may_have_another_name(database: Database) {
    Bank::new(&database).renamed(1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

macro_rules! openers {
    ($($name:ident($text:literal, $id:expr) -> $ty:ty;)+) => {
        impl Bank {
            $(#[transactional(name = $text)]
            async fn $name(&self) -> $ty {
                self.open($id)
            })+
        }
    };
}

async fn a_function_may_come_from_a_macro(database: Database) {
    let bank = Bank::new(&database);
    bank.first().await.unwrap();
    bank.second().await.unwrap();
    assert_eq!(stored(&database).await, [1, 2]);
}

openers! {
    first("first", 1) -> Result<(), BankError>;
    second("second", 2) -> BankResult;
}

impl Bank {
    #[transactional]
    async fn early(&self, id: i64) -> Result<i64, BankError> {
        self.open(id)?;
        let missing = self.accounts.get(77).await?;
        Ok(missing.balance)
    }
}

async fn an_error_may_be_returned_early_with_a_question_mark(database: Database) {
    let error = Bank::new(&database).early(1).await.unwrap_err();
    assert_eq!(error.kind(), Some(spakky::ErrorKind::NotFound));
    assert_eq!(stored(&database).await, [0; 0]);
}
