-- What changes on every request is in the narrow table activity. Neither of its times is in an index, so that a touch
-- is a HOT update: fillfactor leaves room for it on the page. What changes rarely is in the wide table session.
-- The deadline stands beside the end that it bounds, so that neither a touch nor the sweep reads the wide table.

CREATE TABLE SCHEMA.migration (
	version integer PRIMARY KEY,
	applied timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE SCHEMA.store (
	single    boolean PRIMARY KEY DEFAULT true CHECK (single), -- there is one row
	store_key bytea NOT NULL CHECK (length(store_key) = 32),
	clock     bigint NOT NULL DEFAULT 0
);

-- 244 random bits, from the server's cryptographic generator.
INSERT INTO SCHEMA.store (store_key) VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- A key is never used twice, so a late touch cannot meet another session.
CREATE SEQUENCE SCHEMA.session_key;

CREATE TABLE SCHEMA.session (
	key           bigint PRIMARY KEY,
	id            bytea NOT NULL UNIQUE CHECK (length(id) = 16),
	token_hash    bytea NOT NULL CHECK (length(token_hash) = 32),
	previous_hash bytea CHECK (length(previous_hash) = 32),
	rotated_until bigint NOT NULL,
	rotated_at    bigint NOT NULL,
	auth_at       bigint NOT NULL,
	defaults      smallint NOT NULL,
	user_id       text COLLATE "C" NOT NULL,
	ip_address    text NOT NULL,
	user_agent    text NOT NULL,
	device_name   text NOT NULL,
	device_type   text NOT NULL,
	fingerprint   text NOT NULL,
	created_at    bigint NOT NULL,
	ttl           bigint NOT NULL,
	version       bigint NOT NULL,
	data          bytea NOT NULL,
	-- Deferrable: it is checked at the end of a statement, and one statement changes the tokens of a batch.
	CONSTRAINT session_token_hash UNIQUE (token_hash) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE INDEX session_previous ON SCHEMA.session (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX session_by_user ON SCHEMA.session (user_id, key);

CREATE TABLE SCHEMA.activity (
	key         bigint PRIMARY KEY,
	last_active bigint NOT NULL,
	expires_at  bigint NOT NULL,
	deadline    bigint NOT NULL,
	CHECK (expires_at <= deadline)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
