import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import { createMemoryTables } from '@pulsemesh/store';
import { expect, it, vi } from 'vitest';
import type { GrantPhase, ResearchView } from '../api/consent-types.ts';
import { startInbox } from '../inbox/inbox.ts';
import { startResearcherMail } from './researcher-mail.ts';

const clock = createSystemClock({ unref: true });
const within = { timeout: 30_000, interval: 10 };
const grantOf = (grantId: string, phase: GrantPhase) => ({ grantId, phase, title: 'Sleep of nurses' });
const counter = { handle: 'h1', price: { units: '7' }, note: 'for my trouble' };

class World implements AsyncDisposable {
  readonly #random = createSeededRandom(5);
  readonly #deps = {
    ...{ clock, random: this.#random, logger: silentLogger, meter: silentMeter },
    tables: createMemoryTables(),
    box: createBox(new Uint8Array(32).fill(2), { random: this.#random }),
  };
  readonly #handlers = new Set<() => void>();
  readonly #stack = new AsyncDisposableStack();
  readonly #directory: string;
  // What is looked at of it.
  #view = { asks: [], grants: [] } as unknown as ResearchView;

  constructor(directory: string) {
    this.#directory = directory;
    this.#stack.defer(() => rm(directory, { recursive: true, force: true }));
  }

  show(grants: readonly ReturnType<typeof grantOf>[], counters: readonly (typeof counter)[] = []): void {
    this.#view = { grants, asks: [{ counters }] } as unknown as ResearchView;
    for (const handler of this.#handlers) handler();
  }

  async inbox(smtpPort = 0) {
    const options = { smtpPort, httpPort: 0, directory: this.#directory };
    return this.#stack.use(await startInbox(options, { clock, logger: silentLogger }));
  }

  mail(port: number): AsyncDisposable {
    const office = {
      view: () => this.#view,
      onChange: (handler: () => void) => {
        this.#handlers.add(handler);
        return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
      },
    };
    const from = 'Pulsemesh <p@example.org>';
    const options = {
      notify: { email: 'ada@example.org', language: 'de' } as const,
      organisation: 'Institute',
      smtp: { host: '127.0.0.1', port, isSecure: false, from, pageUrl: 'http://localhost:1' },
      ...{ password: null, identity: { nodeBoxKey: new Uint8Array(32).fill(3) }, retryMs: 20 },
    };
    return this.#stack.use(startResearcherMail(office, options, this.#deps));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const createWorld = async () => new World(await mkdtemp(join(tmpdir(), 'pulsemesh-researcher-')));

it('mails each thing that happens once, over a restart too, and names neither study nor grant', async () => {
  await using world = await createWorld();
  const inbox = await world.inbox();
  const first = world.mail(inbox.smtpPort);
  world.show([grantOf('0xa1', 'offered')], [counter]);
  await vi.waitFor(() => expect(inbox.messages()).toHaveLength(2), within);
  world.show([grantOf('0xa1', 'active')], [counter]);
  await vi.waitFor(() => expect(inbox.messages()).toHaveLength(3), within);
  await first[Symbol.asyncDispose]();
  world.show([grantOf('0xa1', 'revoked'), grantOf('0xa2', 'refunded')], [counter]);
  world.mail(inbox.smtpPort);
  await vi.waitFor(() => expect(inbox.messages()).toHaveLength(6), within);
  const texts = JSON.stringify(inbox.messages());
  for (const words of ['zugestimmt', 'Vergütung', 'freigegeben', 'widerrufen', 'zurückgekommen']) {
    expect(texts).toContain(words);
  }
  expect(texts).toContain('http://localhost:1/#/');
  expect(texts).not.toMatch(/nurses|0xa|trouble/);
});

it('loses nothing while the mail server is away', async () => {
  await using world = await createWorld();
  const away = await world.inbox();
  const { smtpPort } = away;
  await away[Symbol.asyncDispose]();
  const first = world.mail(smtpPort);
  world.show([grantOf('0xa1', 'offered')]);
  world.show([grantOf('0xa1', 'offered'), grantOf('0xa2', 'offered')]);
  await first[Symbol.asyncDispose]();
  world.mail(smtpPort);
  const back = await world.inbox(smtpPort);
  await vi.waitFor(() => expect(back.messages()).toHaveLength(2), within);
});

it('does not tell what was there before mails were asked for', async () => {
  await using world = await createWorld();
  const inbox = await world.inbox();
  world.show([grantOf('0xa1', 'active')]);
  const first = world.mail(inbox.smtpPort);
  await first[Symbol.asyncDispose]();
  world.mail(inbox.smtpPort);
  world.show([grantOf('0xa1', 'active'), grantOf('0xa2', 'offered')]);
  await vi.waitFor(() => expect(inbox.messages()).toHaveLength(1), within);
});
