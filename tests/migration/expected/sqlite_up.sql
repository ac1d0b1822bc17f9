-- With foreign keys on, a table that is dropped would take the rows that refer to it along. They can be turned
-- off only outside a transaction, so metadata.toml says that this file has one of its own.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

-- rename column `note` of `products` to `remark`
ALTER TABLE "products" RENAME COLUMN "note" TO "remark";

-- drop unique key `uq_products_code` of `products`
-- drop check `ck_products_cheap` of `products`
-- drop index `ix_products_name` of `products`
-- add column `stock` to `products`
-- add column `weight` to `products`
-- add column `maker` to `products`
-- set the default of column `remark` of `products`
-- let column `code` of `products` be empty
-- make column `remark` of `products` required
-- add unique key `uq_products_code_name` to `products`
-- add check `ck_products_cheap` to `products`
-- add index `ix_products_name` to `products`
-- add foreign key `fk_products_maker` to `products`
CREATE TABLE "spakky_new_products" (
    "id" INTEGER NOT NULL CONSTRAINT "pk_products" PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "price" INTEGER NOT NULL,
    "remark" TEXT NOT NULL DEFAULT ('none'),
    "code" TEXT,
    "stock" INTEGER NOT NULL DEFAULT (0),
    "weight" REAL,
    "maker" INTEGER,
    CONSTRAINT "uq_products_code_name" UNIQUE ("code", "name"),
    CONSTRAINT "ck_products_cheap" CHECK (price < 1000),
    CONSTRAINT "fk_products_maker" FOREIGN KEY ("maker") REFERENCES "makers" ("id") ON DELETE SET NULL
) STRICT;
INSERT INTO "spakky_new_products" ("id", "name", "price", "remark", "code") SELECT "id", "name", "price", coalesce("remark", 'none'), "code" FROM "products";
DELETE FROM sqlite_sequence WHERE name = 'spakky_new_products';
INSERT INTO sqlite_sequence (name, seq) SELECT 'spakky_new_products', seq FROM sqlite_sequence WHERE name = 'products';
DROP TABLE "products";
PRAGMA legacy_alter_table = ON;
ALTER TABLE "spakky_new_products" RENAME TO "products";
PRAGMA legacy_alter_table = OFF;
CREATE INDEX "ix_products_name" ON "products" ("name" DESC) WHERE stock > 0;

-- create table `makers`
CREATE TABLE "makers" (
    "id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    CONSTRAINT "pk_makers" PRIMARY KEY ("id"),
    CONSTRAINT "ck_makers_name_length" CHECK (length("name") <= 40)
) STRICT;
CREATE INDEX "ix_makers_name" ON "makers" ("name");

COMMIT;
PRAGMA foreign_keys = ON;
