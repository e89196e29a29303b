import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { startInbox } from './inbox.ts';

const childFile = fileURLToPath(new URL('./notifier-child.testing.ts', import.meta.url));

function startNotifier(directory: string, smtpPort: number): ChildProcess {
  return spawn(process.execPath, [childFile, directory, String(smtpPort)], { stdio: ['pipe', 'pipe', 'inherit'] });
}

async function untilSent(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error('no output to wait for');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  expect(chunk.toString()).toBe('sent\n');
}

async function stop(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

describe('a notification process killed between the mail server’s acceptance and its own mark', () => {
  it('offers the mail again under its Message-ID: one mail is seen, and then never again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-kill-'));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const offers: boolean[] = [];
    let victim: ChildProcess | null = null;
    const onDurable = async (_message: unknown, isNew: boolean) => {
      offers.push(isNew);
      if (victim === null) return;
      // The mail is on the inbox' disk, the 250 not yet on its way.
      const killed = once(victim, 'exit');
      victim.kill('SIGKILL');
      victim = null;
      await killed;
    };
    const options = { smtpPort: 0, httpPort: 0, directory: join(directory, 'inbox') };
    const inbox = stack.use(await startInbox(options, { clock: createSystemClock(), logger: silentLogger, onDurable }));
    const tables = join(directory, 'tables');

    const first = startNotifier(tables, inbox.smtpPort);
    victim = first;
    await once(first, 'exit');
    expect(first.signalCode).toBe('SIGKILL');
    expect(offers).toEqual([true]);

    const second = startNotifier(tables, inbox.smtpPort);
    await untilSent(second);
    await stop(second);
    expect(offers).toEqual([true, false]);
    expect(inbox.messages()).toHaveLength(1);

    // Marked sent: a third start, and the same alert notified a third time, offer nothing.
    const third = startNotifier(tables, inbox.smtpPort);
    await untilSent(third);
    await stop(third);
    expect(offers).toEqual([true, false]);
  });
});
