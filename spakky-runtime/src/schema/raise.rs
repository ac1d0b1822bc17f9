//! The function by which a guarded write on PostgreSQL fails from inside its own statement.
//!
//! A write that misses its row is no error to the database, so a COMMIT that travels with it would commit the rest.
//! The write's own text therefore calls `spakky_raise(text)` when it touched fewer rows than it must.

/// The function's name, unqualified: it lives where tables without a schema live, and is found the same way.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_the_names() {
        assert!(INSTALL.contains(&format!("CREATE FUNCTION {FUNCTION}(")));
        assert!(INSTALL.contains(&format!("ERRCODE = '{SQLSTATE}'")));
    }
}
