//! Rows in bulk: `COPY … FROM STDIN` and `COPY … TO STDOUT`, as streams of bytes.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use diesel::QueryResult;
use diesel::result::Error as DieselError;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream};

use super::{PgConnection, Reading, failed};
use crate::backend::postgres::encode::Job;
use crate::backend::postgres::exchange::CopyDirection;
use crate::backend::postgres::flight::Flight;
use crate::sql::Token;
use crate::sql::statement::statements;

impl PgConnection {
    /// Runs a `COPY … FROM STDIN` and sends it what the stream gives, in the format that the statement names: bytes, cut anywhere.
    /// Answers how many rows were stored. No more is held at once than a few pieces, so that a stream may have any length.
    ///
    /// ```no_run
    /// # async fn example(session: spakky_runtime::session::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::stream;
    /// use spakky_runtime::postgres::Bytes;
    ///
    /// let rows = stream::iter((1..=1_000_000).map(|id| Ok::<_, std::io::Error>(Bytes::from(format!("{id}\tof many\n")))));
    /// let mut connection = session.postgres().await?;
    /// let count = connection.copy_in("COPY items (id, name) FROM STDIN", rows).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The server's, for a row that it does not take: then none is stored. An error of the stream has the server give up, and comes
    /// back as [`SerializationError`](DieselError::SerializationError). A [`QueryBuilderError`](DieselError::QueryBuilderError) for
    /// a text that is not one such `COPY`.
    ///
    /// # Cancellation
    /// The server is told to give up. As with every call that is dropped on a lent connection, the session's transaction can only
    /// be rolled back.
    pub async fn copy_in<E>(&mut self, sql: &str, rows: impl Stream<Item = Result<Bytes, E>>) -> QueryResult<u64>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.check_copy(sql, CopyDirection::In)?;
        let mut flight = self.core.launch(Job::Copy(sql.to_owned(), CopyDirection::In));
        let mut given_up = None;
        let upload = async {
            let mut rows = pin!(rows);
            let mut may_go_on = poll_fn(|cx| flight.poll_upload(&mut Bytes::new(), cx)).await;
            while may_go_on {
                // While the stream gives nothing, what is there is written, and the server is heard.
                let next = poll_fn(|cx| match rows.as_mut().poll_next(cx) {
                    Poll::Ready(next) => Poll::Ready(Some(next)),
                    Poll::Pending => match flight.poll_upload(&mut Bytes::new(), cx) {
                        Poll::Ready(false) => Poll::Ready(None),
                        _ => Poll::Pending,
                    },
                });
                let Some(next) = next.await else { break };
                match next {
                    Some(Ok(mut piece)) => may_go_on = poll_fn(|cx| flight.poll_upload(&mut piece, cx)).await,
                    Some(Err(error)) => {
                        flight.end_upload(Err("the program has given up"));
                        given_up = Some(error.into());
                        break;
                    }
                    None => {
                        flight.end_upload(Ok(()));
                        break;
                    }
                }
            }
            let (finished, _) = flight.finished().await;
            match finished.failure {
                None => Ok(finished.answers.last().map_or(0, |rows| rows.affected)),
                Some((_, failure)) => Err((failure, false)),
            }
        };
        let stored = self.observe(sql, upload).await;
        match given_up {
            Some(error) => Err(DieselError::SerializationError(error)),
            None => stored,
        }
    }

    /// Runs a `COPY … TO STDOUT` and hands on what the server gives for it, in the format that the statement names: a piece for
    /// each row. No more is read than is taken.
    ///
    /// # Errors
    /// The server's, from here or in the stream's midst. A [`QueryBuilderError`](DieselError::QueryBuilderError) for a text that is
    /// not one such `COPY`.
    ///
    /// # Cancellation
    /// A stream that is dropped before its end leaves the rest to be read by the connection's next use.
    pub async fn copy_out(&mut self, sql: &str) -> QueryResult<BoxStream<'static, QueryResult<Bytes>>> {
        self.check_copy(sql, CopyDirection::Out)?;
        let flight: Flight = self.core.launch(Job::Copy(sql.to_owned(), CopyDirection::Out));
        let reading = self.observe(sql, Reading::begin(flight)).await?;
        let (core, sqlstate, sql) = (self.core.clone(), self.sqlstate.clone(), sql.to_owned());
        Ok(Box::pin(stream::try_unfold(Some(reading), move |reading| {
            let (core, sqlstate, sql) = (core.clone(), sqlstate.clone(), sql.clone());
            async move {
                let Some(mut reading) = reading else { return Ok(None) };
                match reading.next().await {
                    Ok(Some(row)) => Ok(Some((Bytes::from(row.body), Some(reading)))),
                    Ok(None) => Ok(None),
                    Err(failure) => Err(failed(&core, &sqlstate, &sql, failure)),
                }
            }
        })))
    }

    /// Refuses what is not one statement that copies this way.
    fn check_copy(&mut self, sql: &str, direction: CopyDirection) -> QueryResult<()> {
        self.check_control(sql)?;
        let form = match direction {
            CopyDirection::In => "COPY … FROM STDIN",
            CopyDirection::Out => "COPY … TO STDOUT",
        };
        match statements(sql, self.core.exchange().dialect()).as_slice() {
            [statement] if copies(&statement.tokens) == Some(direction) => Ok(()),
            _ => {
                let message = format!("copy rows: the text is not one statement `{form}`; run others by themselves");
                Err(DieselError::QueryBuilderError(message.into()))
            }
        }
    }
}

/// Which way a statement copies rows on the line.
fn copies(tokens: &[Token<'_>]) -> Option<CopyDirection> {
    let (copy, rest) = tokens.split_first()?;
    if !copy.is_word("COPY") {
        return None;
    }
    let (mut parentheses, mut in_name) = (0_usize, false);
    for pair in rest.windows(2) {
        let [token, next] = pair else { break };
        // A word that is reserved is a name behind a dot alone.
        if parentheses == 0 && !in_name && token.is_any_word(&["FROM", "TO"]) {
            return match token.is_word("FROM") {
                true if next.is_word("STDIN") => Some(CopyDirection::In),
                false if next.is_word("STDOUT") => Some(CopyDirection::Out),
                _ => None,
            };
        }
        if token.is('(') {
            parentheses += 1;
        } else if token.is(')') {
            parentheses = parentheses.saturating_sub(1);
        }
        in_name = token.is('.');
    }
    None
}
