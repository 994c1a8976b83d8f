\set from random(1, :accounts)
\set other random(1, :accounts - 1)
\set amount random(100, 999)
SELECT transfer(gen_random_uuid()::text, account(:from), account(CASE WHEN :other < :from THEN :other ELSE :other + 1 END), :amount);
