import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CommandProcess, temporaryDirectory } from './demo-process.ts';

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

async function run(args: readonly string[]): Promise<Ended> {
  await using running = new CommandProcess(args);
  return { code: await running.exited, text: running.text.trim() };
}

async function command(args: readonly string[]): Promise<string> {
  const { code, text } = await run(args);
  if (code !== 0) throw new Error(`${args.slice(0, 2).join(' ')} ended with ${code}:\n${text}`);
  return text;
}

/** A relay with an authority, and two agents that enrolled there. */
async function twoAgents(directory: string) {
  const relayData = join(directory, 'relay');
  const authority = (...args: readonly string[]) => command(['authority', ...args, '--data', relayData]);
  await authority('init', '--organisation', 'St. Mary');
  const relay = new CommandProcess(['relay', '--data', relayData, '--port', '0', '--log-level', 'error']);
  await relay.seen(/"listening"/);
  const agents = ['anna', 'bela'].map((name) => ({
    name,
    data: join(directory, name),
    card: join(directory, `${name}.card`),
  }));
  for (const { name, data, card } of agents) {
    mkdirSync(data, { mode: 0o700 });
    const token = /pm1\.\S+/.exec(await authority('token', '--organisation', 'Ward 7'))?.[0] ?? '';
    await command(['enrol', token, '--data', data]);
    expect(await command(['receive', '--once', '--data', data])).toBe('');
    await command(['identity', 'card', '--data', data, '--name', name, '--file', card]);
  }
  const [anna, bela] = agents as [(typeof agents)[number], (typeof agents)[number]];
  return { relay, anna, bela };
}

describe('two agents of one relay', () => {
  it('reach each other once although the sender is killed and the recipient away', { timeout: 180_000 }, async () => {
    using directory = temporaryDirectory();
    const { relay, anna, bela } = await twoAgents(directory.path);
    await using _relay = relay;
    await command(['identity', 'contacts', 'add', anna.card, '--data', bela.data]);
    const letter = join(directory.path, 'letter.txt');
    writeFileSync(letter, 'come at ten');
    const to = ['send', '--data', anna.data, '--to'];
    {
      await using sending = new CommandProcess([...to, bela.card, letter, '--wait', 'delivered']);
      await sending.seen(/^stored [0-9a-f]{32}$/m);
      sending.signal('SIGKILL');
      expect(await sending.exited).toBeNull();
    }
    // The next one by name: the card was kept. What the killed one may have left in its outbox goes along.
    writeFileSync(letter, Uint8Array.of(255, 0, 254));
    const sent = JSON.parse(await command([...to, 'bela', letter, '--json']));
    expect(sent).toMatchObject({ state: 'stored' });

    const inbox = join(directory.path, 'inbox');
    const lines = await command(['receive', '--once', '--out', inbox, '--data', bela.data]);
    const received = lines.split('\n').map((line) => JSON.parse(line));
    expect(received).toHaveLength(2);
    expect(received[1].messageId).toBe(sent.messageId);
    expect(received[0].storedAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(new Set(received.map(({ from }) => from)).size).toBe(1);
    expect(readFileSync(received[0].file, 'utf8')).toBe('come at ten');
    expect([...readFileSync(received[1].file)]).toEqual([255, 0, 254]);
    expect(readdirSync(inbox)).toHaveLength(2);
    expect(await command(['receive', '--once', '--data', bela.data])).toBe('');
    expect(existsSync(join(anna.data, 'network-memory.json'))).toBe(true);

    // A third, waited for while the recipient is there, comes as a line.
    await using reading = new CommandProcess(['receive', '--data', bela.data]);
    writeFileSync(letter, 'now');
    const states = await command([...to, 'bela', letter, '--wait', 'delivered']);
    expect(states).toMatch(/^stored (\w+)\ndelivered \1$/);
    const [line] = await reading.seen(/^\{.*\}$/m);
    expect(JSON.parse(line)).toMatchObject({ from: received[0].from, text: 'now' });
    // One process at a time reads.
    expect(await run(['receive', '--once', '--data', bela.data])).toMatchObject({
      code: 1,
      text: expect.stringMatching(/^pulsemesh: another process already receives as the agent of this data directory\./),
    });
  });

  it('leave what a stranger writes at the relay, say who it is, and have it once they know the card', {
    timeout: 180_000,
  }, async () => {
    using directory = temporaryDirectory();
    const { relay, anna, bela } = await twoAgents(directory.path);
    await using _relay = relay;
    const letter = join(directory.path, 'letter.txt');
    writeFileSync(letter, 'who is this?');
    await command(['send', '--data', anna.data, '--to', bela.card, letter]);
    const receive = ['receive', '--once', '--data', bela.data];
    const said = await command(receive);
    expect(said).toMatch(/^a message of 12D3\w+, who is not among your contacts, waits at the relay/);
    await command(['identity', 'contacts', 'add', anna.card, '--data', bela.data]);
    const { from, text } = JSON.parse(await command(receive));
    expect({ text, isSame: said.includes(from) }).toEqual({ text: 'who is this?', isSame: true });
    expect(await command(receive)).toBe('');
  });

  it('says in a sentence what is wrong', { timeout: 60_000 }, async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'letter');
    writeFileSync(file, 'hello');
    const data = join(directory.path, 'nobody');
    expect(await run(['send', '--to', 'bela', file, '--data', data])).toMatchObject({
      code: 1,
      text: expect.stringContaining('Make one with `pulsemesh identity create`'),
    });
    await command(['identity', 'create', '--data', data]);
    expect(await run(['receive', '--once', '--data', data])).toMatchObject({
      code: 1,
      text: expect.stringMatching(/^pulsemesh: this agent is not enrolled yet/),
    });
    writeFileSync(file, Buffer.alloc(600_000));
    expect(await run(['send', '--to', 'bela', file, '--data', data])).toEqual({
      code: 2,
      text: 'pulsemesh: a message has at most 524272 bytes.',
    });
  });
});
