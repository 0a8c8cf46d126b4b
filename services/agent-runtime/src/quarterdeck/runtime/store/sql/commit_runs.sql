-- Makes many runs' appends in one statement of the caller's. Each unit is one run; a unit whose run is locked
-- by somebody else is busy, one that is not held as it says is fenced, and neither holds up the others.
-- `park` is the inbox counter that allows the run to park, NULL when it does not want to. Columns of `runs`
-- that are NULL stay as they are. Returns each unit's number from 1 and its fate.
-- Its plans are the same for any values. PostgreSQL takes a batch of one for cheaper than its general plan and
-- would plan every statement anew at every call, which takes longer than to run them.
CREATE OR REPLACE FUNCTION commit_runs(
    tenants text, run text[], tenant text[], worker text[], epoch integer[], seq integer[], next integer[],
    batch text[], park integer[], finished boolean[],
    event_unit integer[], event_seq integer[], event_type text[], event_data bytea[], event_at float8[],
    row_unit integer[], row_state text[], row_reason text[], row_cost bigint[], row_tokens bigint[],
    row_approvals integer[], row_closure text[], row_started float8[], row_output bytea[], row_error bytea[],
    row_finished float8[], row_seq integer[],
    consumed_unit integer[], consumed_id bigint[], now float8
) RETURNS TABLE (number integer, fate text)
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    seen integer[];
    passed integer[];
    over text[];
    parked integer[];
BEGIN
    PERFORM set_config('quarterdeck.tenant', tenants, true);

    -- Locked in the order of ids, so that two batches never wait for each other.
    SELECT array_agg(held.unit), array_agg(held.unit) FILTER (WHERE held.mine) INTO seen, passed FROM (
        SELECT w.unit::integer AS unit,
            q.epoch = w.epoch AND q.worker = w.worker AND q.seq = w.seq AND q.status = 'held' AS mine
        FROM unnest(run, worker, epoch, seq) WITH ORDINALITY AS w(run, worker, epoch, seq, unit)
        JOIN run_queue AS q ON q.run_id = w.run
        ORDER BY q.run_id FOR UPDATE OF q SKIP LOCKED
    ) AS held;

    IF passed IS NOT NULL THEN
        WITH moved AS (
            UPDATE run_queue AS q SET seq = next[p.unit], batch = commit_runs.batch[p.unit], attempts = 0, alone = 0,
                status = CASE WHEN q.inbox = park[p.unit] THEN 'parked' ELSE q.status END,
                worker = CASE WHEN q.inbox = park[p.unit] THEN '' ELSE q.worker END
            FROM unnest(passed) AS p(unit)
            WHERE q.run_id = run[p.unit] AND NOT finished[p.unit]
            RETURNING p.unit, q.status
        )
        SELECT array_agg(unit) FILTER (WHERE status = 'parked') INTO parked FROM moved;

        INSERT INTO journal (run_id, seq, tenant_id, type, data, at)
        SELECT run[e.unit], e.seq, tenant[e.unit], e.type, e.data, e.at
        FROM unnest(event_unit, event_seq, event_type, event_data, event_at) AS e(unit, seq, type, data, at)
        WHERE e.unit = ANY (passed);

        UPDATE runs AS r SET state = coalesce(c.state, r.state), reason = coalesce(c.reason, r.reason),
            cost = coalesce(c.cost, r.cost), tokens = coalesce(c.tokens, r.tokens),
            open_approvals = coalesce(c.approvals, r.open_approvals), closure = coalesce(c.closure, r.closure),
            started_at = coalesce(c.started, r.started_at), output = coalesce(c.output, r.output),
            error = coalesce(c.error, r.error), finished_at = coalesce(c.finished, r.finished_at),
            last_seq = coalesce(c.seq, r.last_seq)
        FROM unnest(
            row_unit, row_state, row_reason, row_cost, row_tokens, row_approvals, row_closure, row_started,
            row_output, row_error, row_finished, row_seq
        ) AS c(unit, state, reason, cost, tokens, approvals, closure, started, output, error, finished, seq)
        WHERE c.unit = ANY (passed) AND r.run_id = run[c.unit];

        IF cardinality(consumed_id) > 0 THEN
            DELETE FROM inbox USING unnest(consumed_unit, consumed_id) AS c(unit, id)
            WHERE inbox.id = c.id AND c.unit = ANY (passed);
        END IF;

        SELECT array_agg(run[p.unit]) INTO over FROM unnest(passed) AS p(unit) WHERE finished[p.unit];
        IF over IS NOT NULL THEN
            DELETE FROM run_queue WHERE run_id = ANY (over);
            DELETE FROM timers WHERE run_id = ANY (over);
            DELETE FROM inbox WHERE run_id = ANY (over);
            DELETE FROM delivered WHERE run_id = ANY (over);
            DELETE FROM snapshots WHERE run_id = ANY (over);
            UPDATE approvals SET state = 'withdrawn', decided_at = now
            WHERE run_id = ANY (over) AND state = 'open';
        END IF;
    END IF;

    RETURN QUERY SELECT u.unit, CASE
        WHEN u.unit = ANY (passed) THEN
            CASE WHEN park[u.unit] IS NULL OR u.unit = ANY (parked) THEN 'done' ELSE 'not-parked' END
        WHEN u.unit = ANY (seen) THEN 'fenced'
        WHEN EXISTS (SELECT FROM run_queue AS q WHERE q.run_id = run[u.unit]) THEN 'busy'
        ELSE 'fenced'
    END FROM generate_subscripts(run, 1) AS u(unit);
END $$
