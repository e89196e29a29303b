import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { parsePeerId } from '@pulsemesh/wire';
import { expect, it } from 'vitest';
import { cardFromText } from './card-text.ts';
import { verifyDeviceList } from './devices.ts';
import { loadIdentity } from './load-or-create.ts';
import { verifySuccession } from './succession.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const person = parsePeerId('12D3KooWMpH7TzurCn1qB8ahB1J2euib9m1f4gtFXSMBHavjXBfs');

it('an identity file of version 2 is read by this version', async () => {
  const where = { file: fixture('identity-2'), passphrase: 'a fixture' };
  const identity = await loadIdentity(where, { random: createSystemRandom() });
  expect(identity.peerId).toBe(person);
  expect(identity.sealingKeys.map((key) => key.epoch)).toEqual([1_767_225_600, 1]);
  expect(identity.successions.map((bytes) => verifySuccession(bytes).to)).toEqual([person]);
  // What the same version made of it: the derivations are part of the format.
  const card = cardFromText(await readFile(fixture('card-1'), 'utf8'));
  expect(card.sealingKey).toEqual(identity.sealing.publicKey);
  expect(card.hybridKey).toEqual(identity.sealing.hybrid.publicKey);
});

it('a card of version 1 is read by this version', async () => {
  expect(cardFromText(await readFile(fixture('card-1'), 'utf8'))).toMatchObject({
    peerId: person,
    version: 1_767_225_600,
    name: 'Robin Ashdown',
    organisation: 'Clinic of the Hill',
    relays: [{ url: 'https://relay.example.org/' }],
    inboxes: [{ id: new Uint8Array(16).fill(5), fromMs: 1_767_225_600_000 }],
    succession: { to: person },
  });
});

it('a device list of version 1 is read by this version', async () => {
  const bytes = await readFile(fixture('devices-1'));
  expect(verifyDeviceList(bytes, { person, known: null })).toMatchObject({
    version: 1,
    devices: [{ name: 'tablet', person }],
  });
});
