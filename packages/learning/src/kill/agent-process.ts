import { join } from 'node:path';
import { KeyDirectory } from '@pulsemesh/board';
import { openBoardClient } from '@pulsemesh/board/client';
import { createBox } from '@pulsemesh/crypto';
import { createCard, parseCard } from '@pulsemesh/identity';
import { startLink } from '@pulsemesh/relay/agent';
import { connectRelay, createEnvelopeSealer, createTableInboxState, createTableOutbox } from '@pulsemesh/relay/client';
import { openLmdbTables } from '@pulsemesh/store';
import { contentId, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import { partyLimits } from '../party/limits.ts';
import { openParties } from '../party/parties.ts';
import { decodePiece } from '../party/piece.ts';
import { createRelayPost } from '../party/relay-post.ts';
import { runAggregator } from '../rounds/aggregator.ts';
import { runOwner } from '../rounds/owner.ts';
import { plainCombine, plainJoin, plainWork } from '../testing/plain-sum.ts';
import { dependencies, identityOf, policy } from './common.ts';

// A party for the kill test. Arguments: DIRECTORY RELAY BOARD NUMBER TASK. Number 0 is the aggregator. Prints `sent WHAT HASH` for each
// piece before it goes to the post, and `end RESULT` when its run is over; then it goes on sending what it took for sending.

const [directory = '', relayUrl = '', boardUrl = '', number = '0', taskId = ''] = process.argv.slice(2);
const identity = identityOf(Number(number));
const store = await openLmdbTables({ directory: join(directory, 'store') });
const board = await openBoardClient({ url: boardUrl, policy, store }, { clock: dependencies.clock });
using keys = new KeyDirectory(board);
const contactOf = (peer: PeerId) => {
  const card = keys.keyOf(peer)?.card ?? null;
  return card === null ? null : parseCard(card);
};
const link = startLink({ url: relayUrl, identity, software: 'test', transports: ['websocket'] }, dependencies);
const client = await connectRelay(
  {
    relays: [{ name: 'relay', link }],
    identity,
    sealer: createEnvelopeSealer({ identity, contactOf: (key) => contactOf(peerIdOfEd25519(key)) }, dependencies),
    outbox: createTableOutbox(store),
    inboxState: createTableInboxState(store, dependencies),
    limits: { retryMsMax: 500 },
  },
  dependencies,
);
const post = createRelayPost({ client, self: identity.peerId, contactOf });
// Whoever the board does not show yet when its message comes is asked again.
client.onStranger(() => 'keep');
const parties = await openParties(
  {
    post: {
      ...post,
      send(to, bytes) {
        const { scope, step, index, bytes: part } = decodePiece(bytes, partyLimits);
        process.stdout.write(`sent ${to}/${scope}/${step}/${index} ${contentId(part)}\n`);
        return post.send(to, bytes);
      },
    },
    board,
    author: identity,
    store,
    box: createBox(identity.nodeBoxKey, dependencies),
    lock: join(directory, 'lock'),
    limits: { boardPollMs: 100, retryMsMin: 100, retryMsMax: 500 },
  },
  dependencies,
);
process.stdout.write('open\n');
const name = `agent ${number}`;
const card = createCard(identity, { name }, dependencies).bytes;
const party = await parties.open(taskId);
if (number === '0') {
  const options = { taskId, joinMs: 120_000, enrolment: { name, card } };
  const end = await runAggregator(party, options, { combine: plainCombine, accountant: null });
  process.stdout.write(`end ${end.kind === 'finished' ? toHex(end.output) : end.reason}\n`);
} else {
  const join = { taskId, ...plainJoin(Number(number)), enrolment: { name, card } };
  const end = await runOwner(party, join, { author: identity, work: plainWork(Number(number)), book: null });
  process.stdout.write(`end ${end.result === null ? end.kind : toHex(end.result)}\n`);
}
