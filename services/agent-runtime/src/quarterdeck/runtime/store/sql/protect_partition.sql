-- Row-level security of a partition: the parent's does not hold for who names the partition itself.
CREATE OR REPLACE FUNCTION protect_partition(part text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    rule text;
BEGIN
    SELECT pg_get_expr(polqual, polrelid) INTO STRICT rule
    FROM pg_policy WHERE polrelid = 'journal'::regclass AND polname = 'tenants';
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY tenants ON %I USING (%s) WITH CHECK (%s)', part, rule, rule);
END $$
