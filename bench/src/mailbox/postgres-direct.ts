import { startPostgres } from '@pulsemesh/relay/testing';
import pg from 'pg';
import { gather } from './batches.ts';
import type { MailboxContender } from './contender.ts';

const connections = 8;
const batchRows = 64;

interface Row {
  readonly mailbox: number;
  readonly messageId: Buffer;
  readonly body: Buffer;
}

/**
 * PostgreSQL without us, as fast as one would write it by hand: one table, rows inserted in batches over eight connections,
 * fetched and removed with `for update skip locked`. De-duplicates while a row is there; no quotas, no order between connections.
 */
export async function postgresDirect(url: string): Promise<MailboxContender> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await pool.query('drop table if exists direct');
  await pool.query(`create table direct (
    place bigserial, mailbox integer, message_id bytea, body bytea, primary key (mailbox, message_id))`);
  await pool.query('create index on direct (mailbox, place)');
  await pool.query('alter table direct alter column body set storage external');
  const insert = gather<Row>(
    async (rows) => {
      await pool.query({
        name: 'insert',
        text: `insert into direct (mailbox, message_id, body)
          select * from unnest($1::integer[], $2::bytea[], $3::bytea[]) on conflict do nothing`,
        values: [
          rows.map(({ mailbox }) => mailbox),
          rows.map(({ messageId }) => messageId),
          rows.map(({ body }) => body),
        ],
      });
    },
    connections,
    batchRows,
  );
  return {
    name: 'PostgreSQL used directly',
    append: (mailbox, messageId, body) =>
      insert({ mailbox, messageId: Buffer.from(messageId), body: Buffer.from(body) }),
    async fetchAndRemove(mailbox, countMax) {
      const { rows } = await pool.query({
        name: 'fetch',
        text: `delete from direct where (mailbox, message_id) in
            (select mailbox, message_id from direct where mailbox = $1 order by place limit $2 for update skip locked)
          returning place, message_id, body`,
        values: [mailbox, countMax],
      });
      return rows.length;
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}

/** A server of its own for the bench, with room for its log. */
export function startBenchPostgres() {
  return startPostgres({ settings: { max_wal_size: '4GB', shared_buffers: '256MB' } });
}
