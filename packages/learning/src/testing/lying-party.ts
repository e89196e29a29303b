import type { EntryBodies, EntryKind } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { Party, Step } from '../party/party.ts';

/** What a party says instead of what its protocol's function says. */
export interface Lies {
  /** Bodies published instead, the first one being answered with. */
  readonly publish?: (kind: EntryKind, body: EntryBodies[EntryKind]) => readonly EntryBodies[EntryKind][];
  /** Sent instead; null: nothing. */
  readonly send?: (step: string, to: PeerId, message: unknown) => unknown;
}

/** A party that runs the honest function and tells other things than it. For tests of who notices. */
export function lyingParty(party: Party, lies: Lies): Party {
  return {
    self: party.self,
    board: {
      await: (kind, isIt, withinMs) => party.board.await(kind, isIt, withinMs),
      list: (kind, isIt) => party.board.list(kind, isIt),
      async publish(kind, body) {
        const bodies = lies.publish?.(kind, body) ?? [body];
        // All at once, so that nobody has acted on the first before the second stands there. Lies are of that kind.
        const [first] = await Promise.all(bodies.map((said) => party.board.publish(kind, said as typeof body)));
        return first ?? { index: -1, id: '', receipt: new Uint8Array(0) };
      },
    },
    scope: async (name) => lyingParty(await party.scope(name), lies),
    now: () => party.now(),
    random: (purpose) => party.random(purpose),
    async send<Message>(step: Step<Message>, to: PeerId, message: Message) {
      const said = lies.send === undefined ? message : lies.send(step.name, to, message);
      if (said !== null) await party.send(step, to, said as Message); // the lie is a message of that step
    },
    gather: (step, options) => party.gather(step, options),
    gatherEach: (step, options, take) => party.gatherEach(step, options, take),
    receive: (step, from, withinMs) => party.receive(step, from, withinMs),
    once: (name, work) => party.once(name, work),
    forget: () => party.forget(),
  };
}
