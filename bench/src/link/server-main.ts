/**
 * The server process of `npm run bench -- link`: starts one contender, and answers its parent's questions about itself.
 * Started with the contender's name and `tls` or `plaintext`; the TLS pair comes by message.
 */
import { readFileSync } from 'node:fs';
import type { TlsPair } from './contender.ts';
import { contenderOf } from './contenders.ts';

/** What the parent asks, and gets back as `{ answer }`. */
export type ServerQuestion = 'usage' | 'collect' | 'stop';

export interface ServerUsage {
  /** Microseconds of CPU since the process started. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

const ticksPerSecond = 100; // USER_HZ of Linux

function usage(pid: number | undefined): ServerUsage {
  if (pid === undefined) {
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
  }
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const rssPages = Number(fields[21]);
  return {
    cpuUs: ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond,
    rssBytes: rssPages * 4096,
  };
}

async function main(name: string): Promise<void> {
  const tls = await new Promise<TlsPair | null>((resolve) =>
    process.once('message', (message) => resolve(message as TlsPair | null)),
  );
  const server = await contenderOf(name).listen({ tls });
  process.on('message', (question: ServerQuestion) => {
    if (question === 'stop') {
      void server.stop().then(() => process.disconnect());
      return;
    }
    // As thorough as the collections of a process that has been idle for a while, which are what an idle connection is measured after.
    if (question === 'collect') globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    process.send?.({ answer: usage(server.pid) });
  });
  process.send?.({ answer: server.port });
}

await main(process.argv[2] ?? '');
