import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import {
  type CardFacts,
  createCard,
  type Identity,
  identityOfSeed,
  openCardDirectory,
  rotateSealing,
  writeCardFile,
} from '@pulsemesh/identity';
import { addressOfKey } from '@pulsemesh/relay/client';
import { toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFreshIdentity } from '../process/fresh-identity.ts';
import { AgentContacts, assertReadsAt } from './agent-contacts.ts';
import { createAgentSealer, LiveIdentity } from './agent-sealer.ts';

const dayMs = 86_400_000;
let directory: string;
let clock: VirtualClock;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-contacts-'));
  clock = new VirtualClock();
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

const random = createSystemRandom();
const depsOf = () => ({ clock, random, logger: silentLogger, meter: createPrometheusMeter() });
const someone = () => identityOfSeed(random.bytes(32));
const open = () => AgentContacts.open(join(directory, 'contacts'), depsOf());

async function cardFile(identity: Identity, facts: CardFacts = {}): Promise<string> {
  const file = join(directory, `${toHex(random.bytes(4))}.card`);
  await writeCardFile(file, createCard(identity, facts, { clock }), { random });
  return file;
}

describe('the contacts of an agent', () => {
  it('are found by card file, then by name and by peer id', async () => {
    const identity = someone();
    const contacts = await open();
    const inbox = { id: random.bytes(16), fromMs: clock.now() - 1_000, untilMs: clock.now() + dayMs };
    const found = await contacts.find(await cardFile(identity, { name: 'Toni', inboxes: [inbox] }));
    expect(found).toMatchObject({ publicKey: identity.publicKey, inbox: toHex(inbox.id) });
    expect((await contacts.find('toni')).card).toEqual(found.card);
    expect((await contacts.find(identity.peerId)).card).toEqual(found.card);
    await expect(contacts.find('robin')).rejects.toMatchObject({ code: 'contact-unknown' });
    await expect(contacts.find('/nowhere/x.card')).rejects.toMatchObject({ code: 'contact-unknown' });
  });

  it('are reached by the newest card that was seen, whichever file is given', async () => {
    const identity = someone();
    const contacts = await open();
    const old = await cardFile(identity, { name: 'Toni' });
    await clock.advance(dayMs);
    const newer = await contacts.find(await cardFile(identity, { name: 'Toni' }));
    expect((await contacts.find(old)).card).toEqual(newer.card);
  });

  it('are not written to with an expired card, and still known by it', async () => {
    const identity = someone();
    const contacts = await open();
    const file = await cardFile(identity, { name: 'Toni' });
    await contacts.find(file);
    await clock.advance(60 * dayMs);
    await expect(contacts.find('Toni')).rejects.toMatchObject({ code: 'contact-unknown' });
    await expect(contacts.find(file)).rejects.toMatchObject({ code: 'statement-expired' });
    expect(contacts.byKey(identity.publicKey)?.card.peerId).toBe(identity.peerId);
    expect(contacts.byKey(someone().publicKey)).toBeNull();
  });

  it('are refused where they read at another relay', async () => {
    const [here, there] = [someone().peerId, someone().peerId];
    const contacts = await open();
    const relays = [{ url: 'https://there.example', peerId: there }];
    const peer = await contacts.find(await cardFile(someone(), { relays }));
    expect(() => assertReadsAt(peer, there)).not.toThrow();
    expect(() => assertReadsAt(peer, here)).toThrow(expect.objectContaining({ code: 'other-relay' }));
    expect(() => assertReadsAt({ ...peer, card: { ...peer.card, relays: [] } }, here)).not.toThrow();
  });
});

describe('the sealer of an agent', () => {
  const id = new Uint8Array(16).fill(9);

  async function pair() {
    const place = { file: join(directory, 'identity.json'), keyFile: join(directory, 'identity.key') };
    const read = () => openFreshIdentity(place, depsOf());
    const identity = new LiveIdentity(await read(), { file: place.file, read });
    const contacts = await open();
    const sender = someone();
    const of = (own: Identity) => ({ own: new LiveIdentity(own, { file: place.file, read: null }), contacts });
    const { own } = of(sender);
    return { place, identity, contacts, sender, from: createAgentSealer({ identity: own, contacts }, depsOf()) };
  }

  it('takes no message of a stranger, and the first one after their card was added by another process', async () => {
    const { identity, contacts, sender, from } = await pair();
    const to = createAgentSealer({ identity, contacts }, depsOf());
    const self = await contacts.find(await cardFile(identity.current));
    const envelope = await from.seal(self, Uint8Array.of(5), id);
    await expect(to.open(envelope)).rejects.toMatchObject({ code: 'unknown-sender' });
    const other = await openCardDirectory(join(directory, 'contacts'), depsOf());
    await other.add(createCard(sender, {}, { clock }));
    const opened = await to.open(envelope);
    expect([...opened.bytes]).toEqual([5]);
    expect(to.addressOf(opened.from)).toBe(addressOfKey(sender.publicKey));
  });

  it('opens what is sealed to a key that another process took into use', async () => {
    const { place, identity, contacts, sender, from } = await pair();
    await contacts.find(await cardFile(sender));
    const to = createAgentSealer({ identity, contacts }, depsOf());
    const rotated = await rotateSealing(place, depsOf());
    const self = await contacts.find(await cardFile(rotated));
    expect([...(await to.open(await from.seal(self, Uint8Array.of(6), id))).bytes]).toEqual([6]);
    expect(identity.current.sealing.epoch).toBe(rotated.sealing.epoch);
  });

  it('believes a sealing key without a signature only where the newest card shows it', async () => {
    const { identity, contacts, sender, from } = await pair();
    const to = createAgentSealer({ identity, contacts }, depsOf());
    const { hybridKey: _, ...self } = await contacts.find(await cardFile(identity.current));
    const envelope = await from.seal(self, Uint8Array.of(7), id);
    await contacts.find(await cardFile(sender));
    expect([...(await to.open(envelope)).bytes]).toEqual([7]);
    await clock.advance(dayMs);
    const { publicKey, peerId } = sender;
    const sign = (bytes: Uint8Array) => sender.sign(bytes);
    const retired = { publicKey, peerId, sign, sealing: someone().sealing } as Identity; // all that sealing uses
    const forged = createAgentSealer(
      { identity: new LiveIdentity(retired, { file: directory, read: null }), contacts },
      depsOf(),
    );
    await expect(to.open(await forged.seal(self, Uint8Array.of(8), id))).rejects.toMatchObject({
      code: 'seal-refused',
    });
  });
});
