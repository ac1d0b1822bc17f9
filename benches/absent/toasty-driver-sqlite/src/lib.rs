//! Empty: Toasty runs on PostgreSQL alone here, and its driver of SQLite would link another library than that of sqlx.
