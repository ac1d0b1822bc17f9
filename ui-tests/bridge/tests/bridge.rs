//! One file per mistake, in `ui/<macro>/fail/`. Bless with `TRYBUILD=overwrite`.

#[test]
fn bridge() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/fail/*.rs");
}
