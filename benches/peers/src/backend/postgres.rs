//! A database of each contender's own on one PostgreSQL server, all made from one template.

use tokio_postgres::{Client, NoTls};

use super::{FACTS, Facts};
use crate::Result;
use crate::contender::Name;
use crate::domain::{ACCOUNTS, Account, LINES, ORDERS, Order, after_seed, seeded_account, seeded_order};

const TEMPLATE: &str = "spakky_bench_template";

/// What is written by one contender must not wake the vacuum in the time of another: tables are vacuumed between rounds.
const TABLES: &str = "
CREATE TABLE accounts (
    id uuid PRIMARY KEY, owner text NOT NULL, email text, status text NOT NULL, balance_cents bigint NOT NULL,
    version bigint NOT NULL, opened_at timestamptz NOT NULL
) WITH (autovacuum_enabled = off);
CREATE INDEX ON accounts (opened_at, id);
CREATE TABLE orders (
    id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts, status text NOT NULL, note text,
    version bigint NOT NULL, placed_at timestamptz NOT NULL
) WITH (autovacuum_enabled = off);
CREATE INDEX ON orders (placed_at, id);
CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders, number int NOT NULL, sku text NOT NULL, quantity int NOT NULL,
    unit_cents bigint NOT NULL, PRIMARY KEY (order_id, number)
) WITH (autovacuum_enabled = off);
CREATE TABLE ledger (
    id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts, amount_cents bigint NOT NULL, reason text NOT NULL
) WITH (autovacuum_enabled = off)";

/// A server on which databases can be made.
pub(crate) struct Server {
    url: String,
    client: Client,
}

impl Server {
    /// Connects, and makes the template anew.
    pub(crate) async fn prepare(url: &str) -> Result<Self> {
        let server = Server { url: url.to_owned(), client: connect(url).await? };
        server.create(TEMPLATE, "template0").await?;
        seed(&mut connect(&with_database(url, TEMPLATE)?).await?).await?;
        Ok(server)
    }

    /// A database of the contender's own.
    pub(crate) async fn database(&self, contender: Name) -> Result<Database> {
        let name = format!("spakky_bench_{}", contender.as_str().replace('-', "_"));
        self.create(&name, TEMPLATE).await?;
        let url = with_database(&self.url, &name)?;
        Ok(Database { client: connect(&url).await?, url, name })
    }

    /// The server's version.
    pub(crate) async fn version(&self) -> Result<String> {
        Ok(self.client.query_one("SHOW server_version", &[]).await?.try_get(0)?)
    }

    async fn create(&self, name: &str, template: &str) -> Result<()> {
        self.drop(name).await?;
        Ok(self.client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?)
    }

    async fn drop(&self, name: &str) -> Result<()> {
        Ok(self.client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?)
    }

    /// Deletes databases of contenders.
    pub(crate) async fn clear(&self, databases: impl IntoIterator<Item = Database>) -> Result<()> {
        for database in databases {
            self.drop(&database.name).await?;
        }
        Ok(())
    }

    /// Deletes the template.
    pub(crate) async fn close(self) -> Result<()> {
        self.drop(TEMPLATE).await
    }
}

/// One contender's database, with a connection that takes no part in what is measured.
pub(crate) struct Database {
    url: String,
    name: String,
    client: Client,
}

impl Database {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Deletes what runs have stored, and takes back what they did to the status of orders.
    pub(crate) async fn reset(&self) -> Result<()> {
        let later = after_seed();
        self.client.execute("DELETE FROM ledger", &[]).await?;
        let lines = "DELETE FROM order_lines USING orders WHERE order_id = id AND placed_at >= $1";
        self.client.execute(lines, &[&later]).await?;
        self.client.execute("DELETE FROM orders WHERE placed_at >= $1", &[&later]).await?;
        self.client.execute("UPDATE orders SET status = 'open' WHERE status = 'held'", &[]).await?;
        self.client.execute("DELETE FROM accounts WHERE opened_at >= $1", &[&later]).await?;
        Ok(self.client.batch_execute("VACUUM accounts, orders, order_lines, ledger").await?)
    }

    pub(crate) async fn facts(&self) -> Result<Facts> {
        let row = self.client.query_one(FACTS, &[]).await?;
        Facts::from_columns(|column| Ok(row.try_get(column)?))
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn seed(client: &mut Client) -> Result<()> {
    client.batch_execute(TABLES).await?;
    let transaction = client.transaction().await?;
    let insert = transaction.prepare("INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, 1, $6)").await?;
    for account in (0..ACCOUNTS).map(seeded_account) {
        let Account { id, owner, email, status, balance_cents, opened_at } = account;
        transaction.execute(&insert, &[&id, &owner, &email, &status.as_str(), &balance_cents, &opened_at]).await?;
    }
    let insert = transaction.prepare("INSERT INTO orders VALUES ($1, $2, $3, $4, 1, $5)").await?;
    let insert_line = transaction.prepare("INSERT INTO order_lines VALUES ($1, $2, $3, $4, $5)").await?;
    for Order { id, account_id, status, note, placed_at, lines } in (0..ORDERS).map(seeded_order) {
        transaction.execute(&insert, &[&id, &account_id, &status.as_str(), &note, &placed_at]).await?;
        debug_assert_eq!(lines.len(), LINES);
        for line in lines {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&id, &line.number, &line.sku, &line.quantity, &line.unit_cents];
            transaction.execute(&insert_line, &values).await?;
        }
    }
    transaction.commit().await?;
    Ok(client.batch_execute("VACUUM ANALYZE").await?)
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let host = url.find("://").ok_or("the URL of the server has no `//host`")? + 3;
    let (url, query) = url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    Ok(format!("{}/{name}{query}", &url[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_exchanged_and_the_rest_of_the_url_stays() {
        let exchanged = |url| with_database(url, "b").unwrap();
        assert_eq!(exchanged("postgres://u:p@h:1/a?sslmode=disable"), "postgres://u:p@h:1/b?sslmode=disable");
        assert_eq!(exchanged("postgres://h"), "postgres://h/b");
    }
}
