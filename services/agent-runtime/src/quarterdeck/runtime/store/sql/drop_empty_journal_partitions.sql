-- Drops the journal's partitions of past weeks in which nothing is left, but for the last `weeks`; returns how many.
-- Whoever writes the journal waits meanwhile, for at most as long as the lock takes; if somebody reads it for longer
-- than that, the next call tries again. Whoever may write the journal may call it.
CREATE OR REPLACE FUNCTION drop_empty_journal_partitions(weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    week bigint := floor(extract(epoch FROM clock_timestamp()) / 604800) - weeks;
    oldest text := 'journal_' || to_char(to_timestamp(week * 604800) AT TIME ZONE 'UTC', 'YYYYMMDD');
    dropped integer := 0;
    part text;
    is_empty boolean;
BEGIN
    -- Row-level security holds for the owner too: unless all tenants are meant, every partition looks empty.
    PERFORM set_config('quarterdeck.tenant', '*', true);
    PERFORM set_config('lock_timeout', '200ms', true);
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'journal'::regclass AND relname ~ '^journal_[0-9]{8}$' AND relname < oldest
        ORDER BY relname
    LOOP
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', part) INTO is_empty;
        CONTINUE WHEN NOT is_empty;
        BEGIN
            LOCK TABLE ONLY journal IN ACCESS EXCLUSIVE MODE;
            -- What was being written when it was looked at is there by now.
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', part) INTO is_empty;
            IF is_empty THEN
                EXECUTE format('DROP TABLE %I', part);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
    END LOOP;
    RETURN dropped;
END $$
