//! What the derive says about a type that it cannot be for: what is wrong, and what would be right.
//!
//! The cases hold messages of ours alone, for those of the compiler change with it. After a change of
//! ours, `TRYBUILD=overwrite cargo test -p ramus-derive` writes down what is said now.

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
