import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createBox, createSigner } from '@pulsemesh/crypto';
import { identityOfSeed } from '@pulsemesh/identity';
import { startLink } from '@pulsemesh/link';
import { openLmdbTables, type TableChange } from '@pulsemesh/store';
import { peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import {
  addressOfKey,
  connectRelay,
  createEnvelopeSealer,
  createTableInboxState,
  createTableOutbox,
  createTablePairs,
  type Outbox,
} from '../client/index.ts';

// An agent for the kill tests. Arguments: DIRECTORY URL[,URL] OWN OTHER FIRST COUNT. Sends the numbers FIRST … FIRST+COUNT-1 to
// the agent of key OTHER, prints `sent N` for each that is in its outbox, writes what it receives to its log with the mark, and
// prints `idle` when the outbox is empty after all were sent, then `received N` as its log grows. A last argument: `sealed`
// seals, and prints `in-session` once it writes in a pair session; `forgetful` does so too, and begins without the sessions it had.

const [directory = '', urls = '', own = '1', other = '2', first = '0', count = '0', how = 'raw'] =
  process.argv.slice(2);
const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};
const signerOf = (number: string) => createSigner(new Uint8Array(32).fill(Number(number)));
const { publicKey, sign } = signerOf(own);
const identity = { peerId: peerIdOfEd25519(publicKey), publicKey, sign };
const store = await openLmdbTables({ directory });
const relays = urls.split(',').map((url, index) => ({
  name: `relay ${index}`,
  link: startLink({ url, identity, software: 'test', transports: ['websocket'] }, dependencies),
}));
const state = createTableInboxState(store, dependencies);
const identities = [own, other].map((number) => identityOfSeed(new Uint8Array(32).fill(Number(number))));
const [self, peer] = identities.map(({ publicKey: key, sealing }) => ({
  publicKey: key,
  sealingKey: sealing.publicKey,
}));
if (identities[0] === undefined || peer === undefined || self === undefined) throw new Error('two agents');
const contactOf = (key: Uint8Array) => [self, peer].find((one) => toHex(one.publicKey) === toHex(key)) ?? null;
const sealer = createEnvelopeSealer({ identity: identities[0], contactOf }, dependencies);
const pairs = createTablePairs(store, { box: createBox(new Uint8Array(32).fill(7), dependencies) });
if (how === 'forgetful') {
  for (const kind of ['session', 'kept', 'lost'] as const) {
    await pairs.save((await pairs.rows(kind)).map(({ key }) => ({ kind, key, value: null })));
  }
}
const client = await connectRelay(
  {
    relays,
    identity,
    sealer: how === 'raw' ? null : sealer,
    ...(how === 'raw' ? {} : { pairs, pairLimits: { offerAgainMs: 100 } }),
    outbox: tellingOutbox(createTableOutbox(store)),
    inboxState: {
      ...state,
      savePosition(position) {
        // The relay knows the mailbox: from now on others can send to it.
        process.stdout.write('known\n');
        return state.savePosition(position);
      },
    },
    limits: { retryMsMax: 200 },
  },
  dependencies,
);
let received = store.count('log');
const receive = async (value: Uint8Array, mark: readonly TableChange[]) => {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setFloat64(0, received);
  received += 1;
  await store.commit([...mark, { kind: 'put', table: 'log', key, value }]);
  process.stdout.write(`received ${received}\n`);
  return 'marked';
};
if (how === 'raw') client.raw.receive(({ envelope }, mark) => receive(envelope, mark));
else client.receive(({ bytes }, mark) => receive(bytes, mark));
const to = addressOfKey(signerOf(other).publicKey);
const send = (bytes: Uint8Array) => (how === 'raw' ? client.raw.send([to], bytes) : client.send(peer, bytes));
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const { stored } = await send(new TextEncoder().encode(String(number).padStart(8, '0')));
  process.stdout.write(`sent ${number}\n`);
  // Half of them wait for the relay, so that kills fall on all states.
  if (number % 2 === 0) await stored.catch(() => {});
}
process.stdout.write('all\n');
const ticker = () => {
  if (client.outboxCount === 0) process.stdout.write('idle\n');
  else dependencies.clock.setTimer(ticker, 20);
};
ticker();

/** Tells once that what goes out is sealed in a session. */
function tellingOutbox(outbox: Outbox): Outbox {
  let isTold = false;
  return {
    ...outbox,
    add(entry) {
      if (!isTold && how !== 'raw' && entry.envelope[0] === 2) process.stdout.write('in-session\n');
      isTold ||= entry.envelope[0] === 2;
      return outbox.add(entry);
    },
  };
}
