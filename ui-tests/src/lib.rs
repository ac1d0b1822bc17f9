//! Compile-time behaviour of the macros, in `tests/`: what compiles, what each mistake says, and what the generated
//! code does without a database.
