-- What a user would write for double-entry transfers: an account with its balance, the transfers
-- with a unique idempotency key, two postings each. One function call makes one transfer. There is
-- no index of an account's postings, which spares PostgreSQL work that Florin does.

CREATE TABLE accounts (
    id      uuid   PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0),
    version bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 80);

CREATE TABLE transfers (
    id              uuid        PRIMARY KEY,
    idempotency_key text        NOT NULL UNIQUE,
    from_id         uuid        NOT NULL,
    to_id           uuid        NOT NULL,
    amount          bigint      NOT NULL CHECK (amount > 0),
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE postings (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id   uuid   NOT NULL,
    account_id    uuid   NOT NULL,
    amount        bigint NOT NULL,
    balance_after bigint NOT NULL
);

-- The id of the numberth account.
CREATE FUNCTION account(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT lpad(to_hex(number), 32, '0')::uuid $$;

-- Moves money once for each key; the same key again gives the first answer. Both accounts are
-- locked in the order of their ids, so that two transfers never wait for each other.
CREATE FUNCTION transfer(
    key text, from_account uuid, to_account uuid, moved bigint,
    OUT transfer_id uuid, OUT from_balance bigint, OUT to_balance bigint
) LANGUAGE plpgsql AS $$
BEGIN
    transfer_id := gen_random_uuid();
    INSERT INTO transfers (id, idempotency_key, from_id, to_id, amount)
    VALUES (transfer_id, key, from_account, to_account, moved)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        SELECT t.id INTO transfer_id FROM transfers t WHERE t.idempotency_key = key;
        SELECT p.balance_after INTO from_balance FROM postings p
        WHERE p.transfer_id = transfer.transfer_id AND p.amount < 0;
        SELECT p.balance_after INTO to_balance FROM postings p
        WHERE p.transfer_id = transfer.transfer_id AND p.amount > 0;
        RETURN;
    END IF;
    IF from_account < to_account THEN
        UPDATE accounts SET balance = balance - moved, version = version + 1
        WHERE id = from_account RETURNING balance INTO STRICT from_balance;
    END IF;
    UPDATE accounts SET balance = balance + moved, version = version + 1
    WHERE id = to_account RETURNING balance INTO STRICT to_balance;
    IF from_account > to_account THEN
        UPDATE accounts SET balance = balance - moved, version = version + 1
        WHERE id = from_account RETURNING balance INTO STRICT from_balance;
    END IF;
    INSERT INTO postings (transfer_id, account_id, amount, balance_after)
    VALUES (transfer_id, from_account, -moved, from_balance),
           (transfer_id, to_account, moved, to_balance);
END $$;
