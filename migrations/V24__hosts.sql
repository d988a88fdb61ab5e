-- A holder that died on the host of its successor is not waited for.

ALTER TABLE leases ADD COLUMN host uuid, ADD COLUMN host_of uuid;
COMMENT ON COLUMN leases.host IS 'A lock on a machine: whoever has it knows that those who had it before are dead. None: nobody knows.';
COMMENT ON COLUMN leases.host_of IS 'The holder whose host it is. An older program takes a lease without a word of its own host: it is not this one.';
