import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, createSystemClock, silentLogger } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import { Supervisor, type SupervisorEvent } from './supervisor.ts';

const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-supervisor-'));
function script(name: string, text: string): string {
  const file = join(directory, `${name}.mjs`);
  writeFileSync(file, text);
  return file;
}

const obedient = script(
  'obedient',
  `console.log(JSON.stringify({ type: 'ready', pid: process.pid }));
   process.on('SIGINT', () => {});
   process.stdin.resume().on('end', () => { console.log(JSON.stringify({ type: 'goodbye' })); process.exit(0); });`,
);
const deaf = script(
  'deaf',
  `console.log('chatter that is no message'); console.log(JSON.stringify({ type: 'ready' })); process.stdin.resume(); setInterval(() => {}, 1000);`,
);
const broken = script('broken', `console.error('no disk'); process.exit(3);`);

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function supervise(options = {}) {
  const events: SupervisorEvent[] = [];
  const waiting: { test: (event: SupervisorEvent) => boolean; resolve: (event: SupervisorEvent) => void }[] = [];
  const supervisor = new Supervisor(
    { restartMsMin: 5, stopMs: 300, ...options },
    {
      clock: createSystemClock(),
      random: createSeededRandom(1),
      logger: silentLogger,
      onEvent(event) {
        events.push(event);
        for (const wait of waiting) if (wait.test(event)) wait.resolve(event);
      },
    },
  );
  stops.push(() => supervisor.stopAll());
  const next = (test: (event: SupervisorEvent) => boolean) =>
    new Promise<SupervisorEvent>((resolve) => waiting.push({ test, resolve }));
  return { supervisor, events, next };
}

describe('the supervisor', () => {
  it('starts a process, hands on its ready message, and stops it when asked', async () => {
    const { supervisor, events } = supervise();
    const ready = await supervisor.start({ name: 'one', module: obedient, args: [] });
    expect(ready['pid']).toBe(supervisor.states()[0]?.pid);
    await supervisor.stopAll();
    expect(supervisor.states()[0]?.pid).toBeNull();
    expect(events.some((event) => event.type === 'message' && event.message.type === 'goodbye')).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'ended', restartsInMs: null });
  });

  it('starts again what was killed, and counts it', async () => {
    const { supervisor, next } = supervise();
    await supervisor.start({ name: 'one', module: obedient, args: [] });
    const isBack = next((event) => event.type === 'ready' && event.isRestart);
    process.kill(supervisor.states()[0]?.pid ?? 0, 'SIGKILL');
    await isBack;
    expect(supervisor.states()[0]).toMatchObject({ restarts: 1, isReady: true });
  });

  it('leaves dead what it is forbidden to restart', async () => {
    const { supervisor, next } = supervise();
    await supervisor.start({ name: 'one', module: obedient, args: [] });
    supervisor.forbidRestart('one');
    const hasEnded = next((event) => event.type === 'ended');
    process.kill(supervisor.states()[0]?.pid ?? 0, 'SIGKILL');
    expect(await hasEnded).toMatchObject({ restartsInMs: null });
  });

  it('says why a process did not start, and waits longer each time before it tries again', async () => {
    const { supervisor, next, events } = supervise();
    const failure = supervisor.start({ name: 'one', module: broken, args: [] });
    await expect(failure).rejects.toThrow(/one did not start: no disk/);
    await next((event) => event.type === 'ended' && (event.restartsInMs ?? 0) > 25);
    const waits = events.flatMap((event) => (event.type === 'ended' ? [event.restartsInMs ?? 0] : []));
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
  });

  it('ends by force what does not listen', async () => {
    const { supervisor, events } = supervise();
    await supervisor.start({ name: 'deaf', module: deaf, args: [] });
    await supervisor.stopAll([['deaf']]);
    expect(events.at(-1)).toMatchObject({ type: 'ended', end: { signal: 'SIGKILL' }, restartsInMs: null });
  });
});
