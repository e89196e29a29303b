import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, RESP_TYPES } from 'redis';
import { freePort } from '../ports.ts';
import type { MailboxContender } from './contender.ts';

const program = '/usr/bin/redis-server';
const group = 'relay';

/**
 * Redis Streams, each command flushed before its answer: a stream for each mailbox, a consumer group that reads, acknowledges and deletes.
 * It does not de-duplicate and has no quotas. Null where Redis is not installed.
 */
export async function redisStreams(): Promise<MailboxContender | null> {
  if (!existsSync(program)) return null;
  const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-bench-redis-'));
  const port = await freePort();
  const settings = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'yes',
  ];
  const server = spawn(program, [...settings, '--appendfsync', 'always'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const part of server.stdout) {
    said += String(part);
    if (said.includes('Ready to accept connections')) break;
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}` }).withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  });
  await client.connect();
  const known = new Map<number, Promise<unknown>>();
  const keyOf = async (mailbox: number) => {
    const key = `mailbox:${mailbox}`;
    if (!known.has(mailbox)) known.set(mailbox, client.xGroupCreate(key, group, '0', { MKSTREAM: true }));
    await known.get(mailbox);
    return key;
  };
  return {
    name: 'Redis Streams (appendfsync always)',
    async append(mailbox, messageId, body) {
      const fields = { id: Buffer.from(messageId), body: Buffer.from(body) };
      await client.xAdd(await keyOf(mailbox), '*', fields);
    },
    async fetchAndRemove(mailbox, countMax) {
      const key = await keyOf(mailbox);
      const read = await client.xReadGroup(group, 'one', { key, id: '>' }, { COUNT: countMax });
      const streams = (read ?? []) as { readonly messages: readonly { readonly id: Buffer }[] }[]; // with this type mapping
      const ids = streams.flatMap(({ messages }) => messages.map(({ id }) => id));
      if (ids.length === 0) return 0;
      await Promise.all([client.xAck(key, group, ids), client.xDel(key, ids)]);
      return ids.length;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.kill('SIGKILL');
      await once(server, 'exit');
      await rm(directory, { recursive: true, force: true });
    },
  };
}
