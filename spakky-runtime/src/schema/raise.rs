//! The function by which a guarded write on PostgreSQL fails from inside its own statement.
//!
//! A write that misses its row is no error to the database, so a COMMIT that travels with it would commit the rest.
//! The write's own text therefore calls `spakky_raise(text)` when it touched fewer rows than it must.

/// The function's name: it lives where tables without a schema live.
pub(crate) const FUNCTION: &str = "spakky_raise";

/// The SQLSTATE it raises. The class belongs to no standard and to no server.
pub(crate) const SQLSTATE: &str = "SPK01";

/// Installs the function unless one is in reach, so that a role that does not own it can run this too. It is volatile,
/// lest the planner call it for a constant; its body looks up no name, so that no search path can change what it does.
pub(crate) const INSTALL: &str = "\
DO $spakky$
BEGIN
    IF to_regprocedure('spakky_raise(text)') IS NULL THEN
        CREATE FUNCTION spakky_raise(message text) RETURNS text LANGUAGE plpgsql VOLATILE AS $body$
        BEGIN
            RAISE EXCEPTION USING ERRCODE = 'SPK01', MESSAGE = message;
        END
        $body$;
    END IF;
END
$spakky$";

/// The schema of the function in reach, if it is ours: its body is the one above, spaces aside, and nobody owns it who could
/// put another in its place but those that are trusted anyway. Somebody else's might answer instead of raising, and a write
/// that missed its row would be committed.
#[cfg(feature = "postgres")]
pub(crate) const FIND: &str = "\
SELECT n.nspname::text FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
WHERE p.oid = pg_catalog.to_regprocedure('spakky_raise(text)') AND l.lanname = 'plpgsql' AND p.prokind = 'f'
AND p.provolatile = 'v' AND NOT p.prosecdef AND p.proconfig IS NULL
AND pg_catalog.translate(p.prosrc, E' \\n\\r\\t', '') = 'BEGINRAISEEXCEPTIONUSINGERRCODE=''SPK01'',MESSAGE=message;END'
AND (o.rolsuper OR p.proowner IN (n.nspowner, d.datdba) OR
(pg_catalog.pg_has_role(p.proowner, 'MEMBER') AND NOT r.rolsuper))
AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_the_names() {
        assert!(INSTALL.contains(&format!("CREATE FUNCTION {FUNCTION}(")));
        assert!(INSTALL.contains(&format!("ERRCODE = '{SQLSTATE}'")));
        #[cfg(feature = "postgres")]
        assert!(FIND.contains(&format!("'{FUNCTION}(text)'")));
    }
}
