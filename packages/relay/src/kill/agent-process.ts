import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { startLink } from '@pulsemesh/link';
import { openLmdbTables } from '@pulsemesh/store';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { addressOfKey, connectRelay, createTableInboxState, createTableOutbox } from '../client/index.ts';

// An agent for the kill tests. Arguments: DIRECTORY URL[,URL] OWN OTHER FIRST COUNT. Sends the numbers FIRST … FIRST+COUNT-1 to
// the agent of key OTHER, prints `sent N` for each that is in its outbox, writes what it receives to its log with the mark, and
// prints `idle` when the outbox is empty after all were sent, then `received N` as its log grows.

const [directory = '', urls = '', own = '1', other = '2', first = '0', count = '0'] = process.argv.slice(2);
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
const client = await connectRelay(
  {
    relays,
    identity,
    sealer: null,
    outbox: createTableOutbox(store),
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
client.raw.receive(async ({ envelope }, mark) => {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setFloat64(0, received);
  received += 1;
  await store.commit([...mark, { kind: 'put', table: 'log', key, value: envelope }]);
  process.stdout.write(`received ${received}\n`);
  return 'marked';
});
const to = addressOfKey(signerOf(other).publicKey);
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const { stored } = await client.raw.send([to], new TextEncoder().encode(String(number).padStart(8, '0')));
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
