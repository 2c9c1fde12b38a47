-- What a node needs at run time. Run it as the owner of the schema, once for each version of the schema.
GRANT USAGE ON SCHEMA SCHEMANAME TO ROLENAME;
GRANT SELECT ON SCHEMA.migration TO ROLENAME;
GRANT SELECT, UPDATE (clock) ON SCHEMA.store TO ROLENAME;
GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA.session, SCHEMA.activity TO ROLENAME;
GRANT USAGE ON SEQUENCE SCHEMA.session_key TO ROLENAME;
