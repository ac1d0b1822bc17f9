//! What the macros say of mistakes that only a program with a backend can make, in `tests/`. A package of its own, so that
//! all other cases are compiled without one.
