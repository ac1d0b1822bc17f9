//! What is queued for an aggregate: what the session knows of it decides which write it is.

use std::panic::Location;
use std::sync::Arc;

use super::batch::{Batch, Given};
use super::encode;
use crate::error::{Error, ErrorKind};
use crate::mappable::{Mappable, Mapping, Revision};
use crate::schema::{Record, RecordReader, Table, TableDescriptor};
use crate::scope::{Scope, tenant_of};
use crate::session::Session;
use crate::unit_of_work::{
    Change, Entry, PendingWrite, RowKey, Told, adopt, check, differs, keep, keep_unmapped, raised, recognize, show_key,
    stamp_children, version_of,
};
use crate::value::Value;

/// The version that guards a write; none for `If-Match: *`.
pub(super) fn guard(version: i64) -> Option<i64> {
    (version != crate::http::ETag::ANY.version()).then_some(version)
}

pub(super) type Origin = &'static Location<'static>;

/// How an aggregate is saved.
#[derive(Clone)]
pub(super) struct Saving {
    pub(super) origin: Origin,
    /// The version that the aggregate was loaded with, whatever it holds itself.
    pub(super) version: Option<i64>,
    /// Where to tell the ids of new children.
    pub(super) told: Option<Told>,
}

impl Saving {
    /// By a call that only queues.
    pub(super) fn queued(origin: Origin) -> Self {
        Saving { origin, version: None, told: None }
    }
}

pub(super) fn plan_add<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    domain: &Row::Domain,
    origin: Origin,
    told: Option<Told>,
) -> Result<Given, Error> {
    let session = batch.session;
    let table = Row::descriptor();
    let row = Row::merge(domain, None);
    let mut record = whole(session, table, encode(&row)?)?;
    check(table, &record)?;
    set_version(table, &mut record, 1);
    let scope = session.scope();
    scope.stamp_new(table, &mut record)?;
    stamp_children(&scope, table, Mapping::WHOLE, None, &mut record)?;
    let columns = Row::mapping();
    let tenant = tenant_of(table, &record);
    let reach = scope.reach(table, tenant.as_ref())?;
    if table.generates_key() {
        let change = Change::Insert { record: Arc::new(record), columns };
        batch.queue(PendingWrite { table, key: None, change, origin, reach, told, again: false }, None)?;
        return Ok(None);
    }
    let key = RowKey::new(table, Row::encode_id(&row.id())?);
    let mut entry =
        Entry { version: table.version.map(|_| 0), partial: false, ..Entry::attached(None).of(tenant.clone()) };
    entry.saves = 1;
    match batch.known(&key) {
        Some(known) if !known.deleted && !known.doubtful => return Err(added_twice(table, &key)),
        // Deleted and not sent yet: the two become an update.
        Some(known) if known.queued.is_any() => match batch.pending(&key) {
            Some(Change::Delete { must_exist: true }) => {
                if let Some(version) = known.version {
                    set_version(table, &mut record, raised(table, version, true)?);
                }
                entry = Entry { stored: known.stored, version: known.version, saves: known.saves + 1, ..entry };
            }
            // Nobody knows what there is, but the row starts anew.
            Some(Change::Delete { must_exist: false }) => {
                entry = Entry { saves: 1, ..Entry::attached(None).of(tenant) };
            }
            _ => return Err(deleted_around(table, &key)),
        },
        _ => {}
    }
    let record = Arc::new(record);
    entry.current = Some(Arc::clone(&record));
    let revision = revised(table, &entry);
    let change = Change::Insert { record, columns };
    let write = PendingWrite { table, key: Some(key.clone()), change, origin, reach, told, again: false };
    batch.queue(write, Some((key.clone(), entry)))?;
    Ok(revision.map(|revision| (key, revision)))
}

fn added_twice(table: &TableDescriptor, key: &[Value]) -> Error {
    let shown = show_key(key);
    let message = format!("add to `{}`: this session already has an aggregate with id {shown}", table.name);
    Error::new(ErrorKind::UniqueViolation, message)
        .with_table(table.name)
        .with_constraint(Some(table.key_name.to_owned()))
        .with_ids(vec![shown])
}

fn deleted_around(table: &TableDescriptor, key: &[Value]) -> Error {
    let shown = show_key(key);
    let message = format!(
        "add to `{}` with id {shown}: its deletion is queued in the scope around this nested one; flush it before",
        table.name
    );
    Error::new(ErrorKind::InvalidTransaction, message).with_table(table.name).with_ids(vec![shown])
}

pub(super) fn plan_save<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    domain: &Row::Domain,
    saving: Saving,
) -> Result<Given, Error> {
    let Saving { origin, version, told } = saving;
    let session = batch.session;
    session.check_writable()?;
    let table = Row::descriptor();
    let row = Row::merge(domain, None);
    let key = RowKey::new(table, Row::encode_id(&row.id())?);
    let revision = version.map(|version| Revision::of(Some(version), 0)).or_else(|| Row::revision(domain));
    let entry = known_entry(batch, &session.scope(), table, &key, revision.as_ref(), "save")?;

    let columns = Row::mapping();
    let mut record = match &entry.current {
        Some(current) if Row::merges_fields() => {
            let base = Row::decode(&mut RecordReader::new(table, readable(table, current)))?;
            encode(&Row::merge(domain, Some(&base)))?
        }
        Some(current) => {
            let mut record = encode(&row)?;
            keep_unmapped(table, columns, &mut record, current);
            record
        }
        None => encode(&row)?,
    };
    record = whole(session, table, record)?;
    if entry.drawn.is_waiting || !entry.drawn.children.is_empty() {
        recognize(table, columns, &mut record, &entry.drawn)?;
    }
    let scope = session.scope();
    scope.keep(table, &mut record, entry.current.as_deref())?;
    if let Some(current) = &entry.current {
        keep(table, columns, &mut record, current);
    }
    check(table, &record)?;
    stamp_children(&scope, table, columns, entry.stored.as_deref(), &mut record)?;
    let same = |stored: &Arc<Record>| !differs(table, columns, stored, &record, false);
    if !entry.queued.is_any() && entry.stored.as_ref().is_some_and(same) {
        // Nothing to write. The domain value is as good as the one that was loaded.
        return Ok(entry.version.map(|version| (key, Revision::of(Some(version), entry.saves))));
    }
    scope.touch(table, &mut record)?;
    // A change of children that count for themselves is none of the row.
    let is_raised =
        |version: i64| entry.current.as_ref().is_some_and(|current| version_of(table, current) != Some(version));
    let next = entry.version.map(|version| {
        let rises = is_raised(version)
            || entry.stored.as_ref().is_none_or(|stored| differs(table, columns, stored, &record, true));
        raised(table, version, rises)
    });
    let next = next.transpose()?;
    if let Some(next) = next {
        set_version(table, &mut record, next);
    }
    // A save that changes nothing of what waits makes no copy stale, as it would not if that had been sent.
    let is_same = table.version.is_some()
        && entry.current.as_ref().is_some_and(|current| !differs(table, columns, current, &record, false));
    let saves = entry.saves + u64::from(!is_same);
    let tenant = tenant_of(table, &record);
    let reach = scope.reach(table, tenant.as_ref())?;
    let with_deleted = entry.with_deleted && session.visibility.with_deleted;
    let record = Arc::new(record);
    // Of a row that was replaced nobody knows which version the database has, but which one it will have; of one that was
    // upserted neither.
    let awaited =
        || entry.current.as_ref().and_then(|current| version_of(table, current)).filter(|&version| version > 0);
    let version = next.or_else(awaited);
    let queued = Entry { current: Some(Arc::clone(&record)), saves, tenant, with_deleted, ..entry };
    let change = Change::Update { record, columns };
    let write = PendingWrite { table, key: Some(key.clone()), change, origin, reach, told, again: false };
    batch.queue(write, Some((key.clone(), queued)))?;
    Ok(version.map(|version| (key, Revision::of(Some(version), saves))))
}

pub(super) fn plan_upsert<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    domain: &Row::Domain,
    origin: Origin,
) -> Result<Given, Error> {
    let session = batch.session;
    let table = Row::descriptor();
    if table.generates_key() {
        let message = format!(
            "upsert into `{}`: the database assigns its ids, so that none can be taken; use `add_now` for a new row, `save` for \
             one that was loaded",
            table.name
        );
        return Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table.name));
    }
    let row = Row::merge(domain, None);
    let mut record = whole(session, table, encode(&row)?)?;
    check(table, &record)?;
    let scope = session.scope();
    scope.stamp_new(table, &mut record)?;
    stamp_children(&scope, table, Mapping::WHOLE, None, &mut record)?;
    let tenant = tenant_of(table, &record);
    let reach = scope.reach(table, tenant.as_ref())?;
    let key = RowKey::new(table, Row::encode_id(&row.id())?);
    let (joins, entry) = match batch.known(&key) {
        Some(known) if !known.deleted && scope.hides(table, &known) => {
            return Err(hidden(table, "upsert", &show_key(&key)));
        }
        // A write of it waits in a scope around this one: by the time of this one the row is there.
        Some(Entry { deleted: false, version: Some(version), current: Some(current), tenant: of, queued, .. })
            if queued.is_any() && of == tenant && batch.pending(&key).is_none() =>
        {
            let version = Some(version_of(table, &current).unwrap_or(version));
            return plan_save::<Row>(batch, domain, Saving { version, ..Saving::queued(origin) });
        }
        // It joins what is queued for the row, and is guarded as that is.
        Some(known) if known.queued.is_any() && known.version.is_some() && known.tenant == tenant => {
            if let (false, Some(current)) = (known.deleted, &known.current) {
                scope.keep(table, &mut record, Some(current))?;
                scope.touch(table, &mut record)?;
            }
            set_version(table, &mut record, raised(table, known.version.unwrap_or_default(), true)?);
            (true, Entry { saves: known.saves + 1, deleted: false, replaced: None, ..known })
        }
        // What the row becomes is the database's to say: ask when it is next needed.
        known => {
            let saves = known.as_ref().map_or(0, |known| known.saves) + 1;
            let replaced = known.filter(|known| !known.deleted && !known.doubtful);
            // What waits in a scope around this one is stored by then; what waits in this one is replaced with the rest.
            let waits = batch.pending(&key).is_some();
            let replaced =
                replaced.and_then(|known| if waits { known.stored.or(known.replaced) } else { known.current });
            (false, Entry { saves, replaced, ..Entry::attached(None).of(tenant) })
        }
    };
    let record = Arc::new(record);
    let entry = if joins { Entry { current: Some(Arc::clone(&record)), ..entry } } else { entry };
    let revision = revised(table, &entry);
    let change = Change::Upsert { record, columns: Row::mapping() };
    let write = PendingWrite { table, key: Some(key.clone()), change, origin, reach, told: None, again: false };
    batch.queue(write, Some((key.clone(), entry)))?;
    Ok(revision.map(|revision| (key, revision)))
}

pub(super) fn plan_delete<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    domain: &Row::Domain,
    origin: Origin,
) -> Result<Given, Error> {
    let session = batch.session;
    session.check_writable()?;
    let table = Row::descriptor();
    let key = RowKey::new(table, Row::encode_id(&Row::merge(domain, None).id())?);
    let revision = Row::revision(domain);
    let entry = known_entry(batch, &session.scope(), table, &key, revision.as_ref(), "delete")?;
    let change = Change::Delete { must_exist: true };
    let reach = session.scope().reach(table, entry.tenant.as_ref())?;
    let gone = Entry { deleted: true, saves: entry.saves + 1, tenant: reach.tenant.clone(), ..entry };
    batch.queue(
        PendingWrite { table, key: Some(key.clone()), change, origin, reach, told: None, again: false },
        Some((key, gone)),
    )?;
    Ok(None)
}

pub(super) fn queue_delete_keys<Row: Table>(
    session: &Session,
    keys: impl IntoIterator<Item = Vec<Value>>,
    origin: Origin,
) -> Result<(), Error> {
    let table = Row::descriptor();
    let mut batch = Batch::new(session);
    for key in keys {
        let key = RowKey::new(table, key);
        let change = Change::Delete { must_exist: false };
        let scope = session.scope();
        let reach = scope.reach(table, None)?;
        let known = batch.known(&key);
        // Its soft deletion waits, behind which there is no such row to this call.
        if known.as_ref().is_some_and(|known| !known.deleted && known.queued.is_any() && scope.hides(table, known)) {
            continue;
        }
        // Its children may yet be known to have gone to others.
        let stored = known.and_then(|known| known.stored);
        let gone = Entry { deleted: true, stored, ..Entry::attached(None).of(reach.tenant.clone()) };
        batch.queue(
            PendingWrite { table, key: Some(key.clone()), change, origin, reach, told: None, again: false },
            Some((key, gone)),
        )?;
    }
    batch.finish()
}

/// What an aggregate is told that was written as `entry` says. Of an upsert the version is not known.
fn revised(table: &TableDescriptor, entry: &Entry) -> Option<Revision> {
    table.version?;
    let version = entry.current.as_ref().and_then(|record| version_of(table, record));
    Some(Revision::of(version, entry.saves))
}

/// What the session knows of an aggregate that is to be written, or what its revision tells.
pub(super) fn known_entry(
    batch: &Batch<'_>,
    scope: &Scope,
    table: &TableDescriptor,
    key: &RowKey,
    revision: Option<&Revision>,
    verb: &str,
) -> Result<Entry, Error> {
    let shown = || show_key(key);
    if let Some(version) = revision.filter(|revision| revision.is_spent()).and_then(Revision::version) {
        return Err(spent(table, key, version, verb));
    }
    let carried = revision.map(Revision::resolved);
    let carried = carried.and_then(|revision| revision.version.map(|version| (version, revision.save)));
    let known = batch.known(key).map(|entry| Ok((scope.is_mine(table, &entry)?, entry))).transpose()?;
    // A row that was loaded for another tenant is not known.
    match known.filter(|(mine, _)| *mine).map(|(_, entry)| entry) {
        Some(entry) if entry.deleted => Err(Error::new(
            ErrorKind::NotLoaded,
            format!("{verb} `{}` with id {}: it was deleted in this session; add it again with `add`", table.name, shown()),
        )
        .with_table(table.name)
        .with_ids(vec![shown()])),
        Some(entry) if scope.hides(table, &entry) => Err(hidden(table, verb, &shown())),
        Some(entry) => {
            if let Some((version, save)) = carried {
                check_copy(table, &entry, version, save, verb, &shown())?;
            }
            Ok(entry)
        }
        None => match carried {
            Some((version, _)) if table.version.is_some() => {
                if revision.is_some_and(Revision::is_bare) {
                    check_not_undone(batch.session, table, key, version, verb)?;
                }
                Ok(Entry::attached(Some(version)).of(scope.tenant(table)?))
            }
            _ => Err(Error::new(
                ErrorKind::NotLoaded,
                format!(
                    "{verb} `{}` with id {}: this session did not load it; load it here, use `add` for a new one, `upsert` \
                     if it may exist, or `attach` with the version it was loaded with",
                    table.name,
                    shown()
                ),
            )
            .with_table(table.name)
            .with_ids(vec![shown()])),
        },
    }
}

/// Refuses a version that the copy got from a unit of work which was undone: another writer may have reached it since.
pub(super) fn check_not_undone(
    session: &Session,
    table: &TableDescriptor,
    key: &RowKey,
    version: i64,
    verb: &str,
) -> Result<(), Error> {
    let is_undone = session.manager().undone_versions().holds(key, version)
        || session.state().undone.iter().any(|(row, undone)| row == key && *undone == version);
    if is_undone { Err(spent(table, key, version, verb)) } else { Ok(()) }
}

fn spent(table: &TableDescriptor, key: &RowKey, version: i64, verb: &str) -> Error {
    let shown = show_key(key);
    let message = format!(
        "{verb} `{}` with id {shown}: this copy got version {version} from a unit of work that was undone; load it again, or hold \
         a `Revision` in the domain type, which knows of that",
        table.name
    );
    Error::new(ErrorKind::StaleCopy, message)
        .with_table(table.name)
        .with_ids(vec![shown])
        .with_expected_version(Some(version))
}

/// A row that was soft-deleted is none to a call that did not ask for such.
fn hidden(table: &TableDescriptor, verb: &str, shown: &str) -> Error {
    let message = format!(
        "{verb} `{}` with id {shown}: it is soft-deleted; `restore` it, or use a repository `with_deleted()`",
        table.name
    );
    Error::new(ErrorKind::NotLoaded, message).with_table(table.name).with_ids(vec![shown.to_owned()])
}

/// Refuses a copy that is not the one last saved or loaded in this session. A save leaves its copy at the version that the
/// row will have; whoever holds another has not seen that save, or has seen one that was undone.
fn check_copy(
    table: &TableDescriptor,
    entry: &Entry,
    version: i64,
    save: u64,
    verb: &str,
    shown: &str,
) -> Result<(), Error> {
    let current = entry.current.as_ref().and_then(|record| version_of(table, record));
    let why = if let None = current
        && save < entry.saves
    {
        format!(
            "this copy (version {version}) is older than the one upserted in this session; change that one instead, or load it \
             again"
        )
    } else if let Some(current) = current
        && version > current
    {
        format!(
            "this copy (version {version}) is ahead of what this session knows (version {current}): it was saved in a scope \
             that was rolled back, or loaded elsewhere; load it again"
        )
    } else if let Some(current) = current
        && (version < current || save != 0 && save < entry.saves)
    {
        format!(
            "this copy (version {version}) is older than the last one saved or loaded in this session (version \
             {current}); change that one instead"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::StaleCopy, format!("{verb} `{}` with id {shown}: {why}", table.name))
        .with_table(table.name)
        .with_ids(vec![shown.to_owned()])
        .with_expected_version(Some(version)))
}

/// The record of an aggregate, its children in their place.
pub(super) fn whole(session: &Session, table: &'static TableDescriptor, mut record: Record) -> Result<Record, Error> {
    adopt(table, &mut record);
    checked(session, table, &mut record)?;
    Ok(record)
}

/// A record from which a row can be read, though its children may not be known.
fn readable(table: &TableDescriptor, record: &Record) -> Record {
    let mut record = record.clone();
    if record.children().is_none() {
        record.set_children(vec![Vec::new(); table.relations.len()]);
    }
    record
}

/// Refuses at once what the backend cannot hold, and gives the other values the form in which it does.
fn checked(session: &Session, table: &TableDescriptor, record: &mut Record) -> Result<(), Error> {
    let manager = session.manager();
    for (at, value) in record.iter_mut().enumerate() {
        manager.backend().settle(value);
        manager.backend().check(value).map_err(|error| Error::unstorable_value(table, at, error))?;
        table.columns[at].check_length(value).map_err(|error| Error::unstorable_value(table, at, error))?;
        if value.is_null() && !table.columns[at].ty.nullable && !table.columns[at].generated {
            let error = crate::value::ValueError::new("the value is null, but the column is required");
            return Err(Error::unstorable_value(table, at, error));
        }
    }
    for (relation, rows) in table.relations.iter().zip(record.children_mut()) {
        rows.iter_mut().try_for_each(|row| checked(session, relation.child(), row))?;
    }
    Ok(())
}

pub(super) fn set_version(table: &TableDescriptor, record: &mut Record, version: i64) {
    if let Some(at) = table.version {
        record[at] = Value::I64(version);
    }
}
