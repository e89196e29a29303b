import { Condition } from '@pulsemesh/base';
import type { CardRelay } from '@pulsemesh/identity';
import type { Link } from '@pulsemesh/link';
import type { RelayedStreams } from '@pulsemesh/network';
import type { RelaySessionView, RelayTransport } from '../api/types.ts';

/** There is no session with that relay here. */
export class UnknownRelayError extends Condition {
  override readonly name = 'UnknownRelayError';
  constructor() {
    super('unknown-relay', 'this peer has no session with that relay');
  }
}

/** A node's sessions with its relays, kept up until disposed. */
export interface RelaySessions extends AsyncDisposable {
  /** What the network goes through. */
  readonly streams: RelayedStreams;
  /** The session with the first relay of the configuration, over which the node is an agent. */
  readonly first: { readonly relay: CardRelay; readonly link: Link };
  /** Each as an operator sees it. */
  status(): readonly RelaySessionView[];
  /**
   * Moves the session with `relay` to `transport`, without loss; resolves once it runs there.
   * @throws {UnknownRelayError}; a Condition that says why the transport does not pass.
   */
  move(relay: string, transport: RelayTransport): Promise<void>;
}
