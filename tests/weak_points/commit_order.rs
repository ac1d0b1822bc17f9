//! What was found about reading in commit order and about faults, in databases, brokers and libraries.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | events of one key come out of order, or a long transaction holds up all | later, with the outbox |
//! | 2 | a notification inside the transaction makes every commit wait for the others | later, with the outbox |
//! | 3 | so does one lock or counter for all | later, with the outbox |
//! | 4 | rows are published that a crash then takes back | later, with the outbox |
//! | 5 | a future that is dropped gives a connection back amid its transaction, with its locks | `cancellation::every_await::dropped_while_it_waits`, `cancellation::call::a_long_read_is_stopped_when_its_scope_is_dropped`, `pool::load::transactions_that_are_dropped_leave_the_pool_whole` |
//! | 6 | gaps are guessed at by time | later, with the outbox |
//! | 7 | the outbox is updated row by row | later, with the outbox |
