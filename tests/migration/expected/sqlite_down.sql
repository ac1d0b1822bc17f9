-- Restores the tables as they were before, not the data that was in what is dropped.
-- With foreign keys on, a table that is dropped would take the rows that refer to it along. They can be turned
-- off only outside a transaction, so metadata.toml says that this file has one of its own.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

-- rename column `remark` of `products` to `note`
ALTER TABLE "products" RENAME COLUMN "remark" TO "note";

-- drop table `makers`
DROP TABLE "makers";

-- drop foreign key `fk_products_maker` of `products`
-- drop unique key `uq_products_code_name` of `products`
-- drop check `ck_products_cheap` of `products`
-- drop index `ix_products_name` of `products`
-- drop column `stock` of `products`
-- drop column `weight` of `products`
-- drop column `maker` of `products`
-- drop the default of column `note` of `products`
-- let column `note` of `products` be empty
-- make column `code` of `products` required
-- add unique key `uq_products_code` to `products`
-- add check `ck_products_cheap` to `products`
-- add index `ix_products_name` to `products`
CREATE TABLE "spakky_new_products" (
    "id" INTEGER NOT NULL CONSTRAINT "pk_products" PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "price" INTEGER NOT NULL,
    "note" TEXT,
    "code" TEXT NOT NULL,
    CONSTRAINT "uq_products_code" UNIQUE ("code"),
    CONSTRAINT "ck_products_cheap" CHECK (price < 100)
) STRICT;
INSERT INTO "spakky_new_products" ("id", "name", "price", "note", "code") SELECT "id", "name", "price", "note", "code" FROM "products";
DELETE FROM sqlite_sequence WHERE name = 'spakky_new_products';
INSERT INTO sqlite_sequence (name, seq) SELECT 'spakky_new_products', seq FROM sqlite_sequence WHERE name = 'products';
DROP TABLE "products";
PRAGMA legacy_alter_table = ON;
ALTER TABLE "spakky_new_products" RENAME TO "products";
PRAGMA legacy_alter_table = OFF;
CREATE INDEX "ix_products_name" ON "products" ("name");

COMMIT;
PRAGMA foreign_keys = ON;
