//! The order of related rows.

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![related_rows_are_in_the_order_of_a_native_enum];

/// Declared in an order that is not that of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(pg_type = "urgency")]
enum Urgency {
    Low,
    High,
    Critical,
}

#[derive(Debug, Clone, Table)]
#[table(name = "boards")]
struct BoardRow {
    #[table(id)]
    id: i64,
}

#[derive(Debug, Clone, Table)]
#[table(name = "tasks")]
struct TaskRow {
    #[table(id)]
    id: i64,
    #[table(references(BoardRow))]
    board_id: i64,
    urgency: Urgency,
}

#[derive(Debug, Clone, Table)]
#[table(name = "pins")]
struct PinRow {
    #[table(id, references(BoardRow))]
    board_id: i64,
    #[table(id, references(TaskRow))]
    task_id: i64,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = TaskRow)]
struct TaskView {
    id: i64,
    urgency: Urgency,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = BoardRow)]
struct BoardView {
    #[projection(has_many(by = board_id, order_by = (urgency desc, id)))]
    tasks: Vec<TaskView>,
    #[projection(many_to_many(through = PinRow, from = board_id, to = task_id, order_by = (urgency, id desc)))]
    pinned: Vec<TaskView>,
}

async fn related_rows_are_in_the_order_of_a_native_enum(db: Database) {
    if !db.is_sqlite() {
        db.execute("CREATE TYPE urgency AS ENUM ('low', 'high', 'critical')").await;
    }
    db.observer().create_tables(&schema![BoardRow, TaskRow, PinRow]).await.unwrap();
    for sql in [
        "INSERT INTO boards (id) VALUES (1)",
        "INSERT INTO tasks (id, board_id, urgency) VALUES (1, 1, 'low'), (2, 1, 'high'), (3, 1, 'critical'), (4, 1, 'low')",
        "INSERT INTO pins (board_id, task_id) VALUES (1, 1), (1, 2), (1, 3), (1, 4)",
    ] {
        db.execute(sql).await;
    }
    let board = db.sessions.repository::<BoardRow>().project::<BoardView>().get(1).await.unwrap();
    let ids = |tasks: &[TaskView]| tasks.iter().map(|task| task.id).collect::<Vec<_>>();
    // As the type was declared, also on SQLite, which has text.
    assert_eq!((ids(&board.tasks), ids(&board.pinned)), (vec![3, 2, 1, 4], vec![4, 1, 2, 3]));
    assert_eq!(board.tasks.iter().map(|task| task.urgency).filter(|urgency| *urgency == Urgency::Low).count(), 2);
}
