import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { expect, it, vi } from 'vitest';
import { startInbox } from '../inbox/inbox.ts';

const childFile = fileURLToPath(new URL('./mail-child.testing.ts', import.meta.url));
const within = { timeout: 30_000, interval: 20 };

it.each([1, 2, 3])(
  'a researcher is told each thing once though the office is killed while mail number %i is taken by the server',
  async (killedAt) => {
    const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-researcher-killed-'));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    let victim: ChildProcess | null = null;
    let offered = 0;
    let again = 0;
    const onDurable = async (_message: unknown, isNew: boolean) => {
      offered += 1;
      if (!isNew) again += 1;
      if (victim === null || offered !== killedAt) return;
      // The mail is on the server's disk, the office has not heard of it.
      const killed = once(victim, 'exit');
      victim.kill('SIGKILL');
      victim = null;
      await killed;
    };
    const options = { smtpPort: 0, httpPort: 0, directory: join(directory, 'inbox') };
    const deps = { clock: createSystemClock({ unref: true }), logger: silentLogger, onDurable };
    const inbox = stack.use(await startInbox(options, deps));
    const start = (ids: string) => {
      const { smtpPort } = inbox;
      const args = [childFile, join(directory, 'tables'), String(smtpPort), ids];
      return spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    };
    const first = start('0xa1,0xa2,0xa3');
    victim = first;
    await once(first, 'exit');
    expect(first.signalCode).toBe('SIGKILL');

    const second = start('0xa1,0xa2,0xa3');
    // Several may have been on their way: whatever the server had is offered under the same Message-ID, and seen once.
    await vi.waitFor(() => expect([inbox.messages().length, again > 0]).toEqual([3, true]), within);
    second.stdin.end();
    await once(second, 'exit');

    // What it still shows is not told again; what is new is.
    const third = start('0xa1,0xa2,0xa3,0xa4');
    await vi.waitFor(() => expect(inbox.messages()).toHaveLength(4), within);
    third.stdin.end();
    await once(third, 'exit');
    expect(inbox.messages()).toHaveLength(4);
  },
  90_000,
);
