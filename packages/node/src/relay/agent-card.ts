import { type Clock, errorCode, startTicker } from '@pulsemesh/base';
import { hkdfSha256 } from '@pulsemesh/crypto';
import {
  type CardRelay,
  type ContactCard,
  createCard,
  type Identity,
  isRelayUrl,
  readCardFile,
  writeCardFile,
} from '@pulsemesh/identity';
import { type InboxState, type InboxToken, inboxTokensAhead, type WeeklyInbox } from '@pulsemesh/relay/client';
import { fromHex, toHex } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';
import type { LiveIdentity } from './agent-sealer.ts';

const weekMs = 7 * 86_400_000;

/** When an agent's card and inboxes are seen to. */
export const agentCardTiming = {
  /** Weeks of inboxes in a card, this one included, as far as they fit: a card lives for five. Past them senders use the address. */
  weeksListed: 6,
  /** Weeks that are over and still read: a message is kept for two. */
  weeksLate: 2,
  /** A card is replaced after this; it is good for five times as long. */
  renewMs: weekMs,
  lookPeriodMs: 3_600_000,
} as const;

/** The inboxes an agent reads at a time, and those of them that its card shows. */
export interface AgentInboxes {
  readonly tokens: readonly InboxToken[];
  readonly listed: readonly WeeklyInbox[];
}

/** One inbox for each week, from the identity alone, so that nothing more has to be kept or backed up. */
export function agentInboxes(identity: Pick<Identity, 'nodeBoxKey'>, nowMs: number): AgentInboxes {
  const { weeksListed, weeksLate } = agentCardTiming;
  const secret = hkdfSha256({ key: identity.nodeBoxKey, info: 'pulsemesh/inbox-secret/1', length: 32 });
  const all = inboxTokensAhead(secret, nowMs - weeksLate * weekMs, weeksLate + weeksListed);
  const tokens = all.map(({ token, fromMs }) => ({ token, untilMs: fromMs + (1 + weeksLate) * weekMs }));
  return { tokens, listed: all.slice(weeksLate) };
}

export interface CardKeeperOptions {
  /** Where the own card lies. */
  readonly file: string;
  readonly relay: CardRelay;
  readonly identity: Pick<LiveIdentity, 'current'>;
}

/**
 * Keeps the agent's own card current: where it reads, the inboxes of the coming weeks, the sealing key in use. An inbox stands in a
 * card only after the relay said that it is this agent's. Until disposed.
 */
export class CardKeeper<Mark> implements AsyncDisposable {
  /** Resolves when the card was current for the first time. */
  readonly current: Promise<void>;
  /** The state given, which this looks at: a mailbox whose position is kept was claimed. */
  readonly inboxState: InboxState<Mark>;
  readonly #options: CardKeeperOptions;
  readonly #deps: NodeDependencies;
  readonly #current = Promise.withResolvers<void>();
  #turn: Promise<void> = Promise.resolve();
  #isClaiming = false;
  readonly #stack = new DisposableStack();

  constructor(options: CardKeeperOptions, inboxState: InboxState<Mark>, deps: NodeDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.current = this.#current.promise;
    this.inboxState = {
      ...inboxState,
      savePosition: async (position) => {
        await inboxState.savePosition(position);
        this.look();
      },
    };
  }

  /** What to claim now. */
  tokens(): readonly InboxToken[] {
    return agentInboxes(this.#options.identity.current, this.#deps.clock.now()).tokens;
  }

  /** Goes on claiming with `client` as time goes by, and sees to the card. */
  claimWith(client: { addInboxes(tokens: readonly InboxToken[]): void }): void {
    this.#isClaiming = true;
    const look = () => {
      client.addInboxes(this.tokens());
      this.look();
    };
    look();
    const ticker = startTicker(this.#deps.clock, agentCardTiming.lookPeriodMs, look, () => {});
    this.#stack.defer(() => ticker.stop());
  }

  /** Replaces the card if that is due; not before `claimWith`. */
  look(): void {
    if (this.#stack.disposed || !this.#isClaiming) return;
    this.#turn = this.#turn
      .then(() => this.#see())
      .catch((error) => this.#deps.logger.warn('the contact card is not renewed', { code: errorCode(error) }));
  }

  async #see(): Promise<void> {
    const { file, relay, identity } = this.#options;
    if (!isRelayUrl(relay.url)) {
      this.#deps.logger.warn('the address of the relay fits into no contact card');
      this.#current.resolve();
      return;
    }
    const { listed } = agentInboxes(identity.current, this.#deps.clock.now());
    const positions = await this.inboxState.positions();
    const claimed = new Set(positions.filter(({ relay: name }) => name === relay.peerId).map(({ inbox }) => inbox));
    if (!listed.every(({ inbox }) => claimed.has(inbox))) return;
    const found = await readCardFile(file);
    const previous = found?.peerId === identity.current.peerId ? found : null;
    if (
      previous === null ||
      !isCurrentCard(previous, { identity: identity.current, relay, listed }, this.#deps.clock)
    ) {
      await writeCardFile(file, this.#renewed(previous, listed), this.#deps);
    }
    this.#current.resolve();
  }

  #renewed(previous: ContactCard | null, listed: readonly WeeklyInbox[]): ContactCard {
    const { identity, relay } = this.#options;
    const inboxes = listed.map(({ inbox, fromMs }) => ({ id: fromHex(inbox), fromMs, untilMs: fromMs + weekMs }));
    const { name = null, organisation = null, deviceListHash = null } = previous ?? {};
    const facts = { name, organisation, deviceListHash, relays: [relay], inboxes, previous };
    return createCard(identity.current, facts, this.#deps);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#turn;
  }
}

/** Whether a card says what is so, and will for a while. */
export function isCurrentCard(
  card: ContactCard,
  { identity, relay, listed }: { identity: Identity; relay: CardRelay; listed: readonly WeeklyInbox[] },
  clock: Clock,
): boolean {
  const shown = new Set(card.inboxes.map(({ id }) => toHex(id)));
  const [only, ...others] = card.relays;
  const isSameRelay = only?.url === relay.url && only.peerId === relay.peerId && others.length === 0;
  const ageMs = clock.now() - card.issuedMs;
  return (
    card.peerId === identity.peerId &&
    card.sealingEpoch === identity.sealing.epoch &&
    isSameRelay &&
    ageMs >= 0 &&
    ageMs < agentCardTiming.renewMs &&
    clock.now() < card.expiresMs &&
    // Not the later ones: how many fit depends on what else the card says.
    listed.slice(0, 1).every(({ inbox }) => shown.has(inbox))
  );
}
