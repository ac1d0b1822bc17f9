-- Restores the tables as they were before, not the data that was in what is dropped.

-- rename column `remark` of `products` to `note`
ALTER TABLE "products" RENAME COLUMN "remark" TO "note";

-- drop foreign key `fk_products_maker` of `products`
ALTER TABLE "products" DROP CONSTRAINT "fk_products_maker";

-- drop table `makers`
DROP TABLE "makers";

-- drop unique key `uq_products_code_name` of `products`
ALTER TABLE "products" DROP CONSTRAINT "uq_products_code_name";

-- drop check `ck_products_cheap` of `products`
ALTER TABLE "products" DROP CONSTRAINT "ck_products_cheap";

-- drop index `ix_products_name` of `products`
DROP INDEX "ix_products_name";

-- drop column `stock` of `products`
ALTER TABLE "products" DROP COLUMN "stock";

-- drop column `weight` of `products`
ALTER TABLE "products" DROP COLUMN "weight";

-- drop column `maker` of `products`
ALTER TABLE "products" DROP COLUMN "maker";

-- drop the default of column `note` of `products`
ALTER TABLE "products" ALTER COLUMN "note" DROP DEFAULT;

-- change column `price` of `products` from int8 to integer
ALTER TABLE "products" ALTER COLUMN "price" TYPE integer USING "price"::integer;

-- let column `note` of `products` be empty
ALTER TABLE "products" ALTER COLUMN "note" DROP NOT NULL;

-- make column `code` of `products` required
ALTER TABLE "products" ALTER COLUMN "code" SET NOT NULL;

-- add unique key `uq_products_code` to `products`
ALTER TABLE "products" ADD CONSTRAINT "uq_products_code" UNIQUE ("code");

-- add check `ck_products_cheap` to `products`
ALTER TABLE "products" ADD CONSTRAINT "ck_products_cheap" CHECK (price < 100);

-- add index `ix_products_name` to `products`
CREATE INDEX "ix_products_name" ON "products" ("name");
