-- rename column `note` of `products` to `remark`
ALTER TABLE "products" RENAME COLUMN "note" TO "remark";

-- drop unique key `uq_products_code` of `products`
ALTER TABLE "products" DROP CONSTRAINT "uq_products_code";

-- drop check `ck_products_cheap` of `products`
ALTER TABLE "products" DROP CONSTRAINT "ck_products_cheap";

-- drop index `ix_products_name` of `products`
DROP INDEX "ix_products_name";

-- change column `price` of `products` from integer to int8
ALTER TABLE "products" ALTER COLUMN "price" TYPE int8 USING "price"::int8;

-- add column `stock` to `products`
ALTER TABLE "products" ADD COLUMN "stock" int4 NOT NULL DEFAULT (0);

-- add column `weight` to `products`
ALTER TABLE "products" ADD COLUMN "weight" float8;

-- add column `maker` to `products`
ALTER TABLE "products" ADD COLUMN "maker" int8;

-- set the default of column `remark` of `products`
ALTER TABLE "products" ALTER COLUMN "remark" SET DEFAULT 'none';

-- let column `code` of `products` be empty
ALTER TABLE "products" ALTER COLUMN "code" DROP NOT NULL;

-- make column `remark` of `products` required
UPDATE "products" SET "remark" = 'none' WHERE "remark" IS NULL;
ALTER TABLE "products" ALTER COLUMN "remark" SET NOT NULL;

-- add unique key `uq_products_code_name` to `products`
ALTER TABLE "products" ADD CONSTRAINT "uq_products_code_name" UNIQUE ("code", "name");

-- add check `ck_products_cheap` to `products`
ALTER TABLE "products" ADD CONSTRAINT "ck_products_cheap" CHECK (price < 1000);

-- create table `makers`
CREATE TABLE "makers" (
    "id" int8 NOT NULL,
    "name" varchar(40) NOT NULL,
    CONSTRAINT "pk_makers" PRIMARY KEY ("id")
);
CREATE INDEX "ix_makers_name" ON "makers" ("name");

-- add index `ix_products_name` to `products`
CREATE INDEX "ix_products_name" ON "products" ("name" DESC) WHERE stock > 0;

-- add foreign key `fk_products_maker` to `products`
ALTER TABLE "products" ADD CONSTRAINT "fk_products_maker" FOREIGN KEY ("maker") REFERENCES "makers" ("id") ON DELETE SET NULL;
