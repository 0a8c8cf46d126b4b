-- The smallest run id of a week since 1970: a UUIDv7 begins with milliseconds in 48 bits.
CREATE OR REPLACE FUNCTION journal_bound(week bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(digits, 1, 8) || '-' || substr(digits, 9, 4)
    FROM (SELECT lpad(to_hex(week * 604800000), 12, '0')) AS hexadecimal(digits)
$$
