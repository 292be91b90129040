CREATE TABLE conformance (
    id int PRIMARY KEY,
    name varchar(40) DEFAULT 'none',
    created timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00',
    tags text[],
    amount numeric(12, 3),
    ratio float4 CONSTRAINT ratio_is_positive CHECK (ratio >= 0)
);
INSERT INTO conformance VALUES
    (1, 'one', '2024-02-29 12:00:00.5+00', '{a,"b c",NULL}', 12.5, 0.1),
    (2, NULL, 'infinity', NULL, NULL, NULL),
    (3, 'ä€😀', '0044-03-15 00:00:00+00 BC', '{}', -0.001, 1e30);
CREATE VIEW conformance_view AS SELECT id, upper(name) AS name FROM conformance;
CREATE TABLE conformance_child (parent int REFERENCES conformance);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CONSTRAINT is_positive CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE FUNCTION conformance_raise() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'all of it' USING DETAIL = 'the detail', HINT = 'the hint', ERRCODE = '23514', COLUMN = 'a_column',
        CONSTRAINT = 'a_constraint', DATATYPE = 'a_type', TABLE = 'a_table', SCHEMA = 'a_schema';
END $$;
CREATE FUNCTION conformance_inner() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1 FRM x'; END $$;
