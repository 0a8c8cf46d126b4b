-- Makes the journal's partitions for the weeks from now on: a run's id begins with the time it was made, so
-- each holds the runs that began in one week. Whoever may write the journal may call it.
CREATE OR REPLACE FUNCTION make_journal_partitions(weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    week bigint := floor(extract(epoch FROM clock_timestamp()) / 604800);
    made integer := 0;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('quarterdeck:journal', 0));
    FOR step IN 0 .. weeks LOOP
        part := 'journal_' || to_char(to_timestamp((week + step) * 604800) AT TIME ZONE 'UTC', 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF journal FOR VALUES FROM (%L) TO (%L)',
            part, journal_bound(week + step), journal_bound(week + step + 1)
        );
        PERFORM protect_partition(part);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$
