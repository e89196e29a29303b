import type { Condition } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodePeerOpen, encodePeerOffer, type PeerOpen } from '../wire/agents.ts';
import type { Agent } from './agents.ts';
import type { AgentSession, RelayContext } from './context.ts';
import { MalformedError, PeerBrokeError, PeerUnavailableError } from './errors.ts';

/**
 * Serves `peer.open`: joins the caller's stream to one that the relay opens at the agent called. What the caller sends
 * before they are joined waits within its credit.
 */
export function servePeerOpen(own: AgentSession, stream: LinkStream): void {
  let joined: JoinedStreams | null = null;
  stream.consume(
    (message) => {
      if (joined !== null) joined.fromCaller(message);
      else if (message === null) stream.end();
      else {
        // What comes after the first message gives credit back only as the other agent takes it.
        stream.hold();
        joined = new JoinedStreams(own, stream, message);
      }
    },
    (reason) => joined?.callerBroke(reason),
  );
}

class JoinedStreams {
  readonly #context: RelayContext;
  readonly #caller: LinkStream;
  readonly #callerAgent: Agent;
  #called: LinkStream | null = null;
  #waiting: (Uint8Array | null)[] = [];
  #owedToCaller = 0;
  #owedToCalled = 0;
  #bytes = 0;
  #openEnds = 2;
  #isOver = false;

  constructor(own: AgentSession, caller: LinkStream, first: Uint8Array) {
    this.#context = own.context;
    this.#caller = caller;
    this.#callerAgent = own.agent;
    own.agent.peerStreams += 1;
    let open: PeerOpen;
    try {
      open = decodePeerOpen(first);
    } catch (error) {
      own.context.events.malformed('peer.open');
      this.#over('malformed');
      caller.abort(new MalformedError(error));
      return;
    }
    if (own.agent.peerStreams > own.context.limits.peerStreamsPerAgentMax) this.#refuse('peer-busy');
    else if (own.context.agents.find(open.to) !== undefined) this.#join(open.to, open);
    else void this.#joinOwner(open);
  }

  /** To an inbox id: its owner, where that takes streams. */
  async #joinOwner(open: PeerOpen): Promise<void> {
    try {
      const claim = await this.#context.engine.claimOf(open.to);
      if (this.#isOver) return;
      if (claim === null || !claim.takesStreams) this.#refuse('peer-offline');
      else this.#join(claim.owner, open);
    } catch {
      this.#refuse('peer-offline'); // the engine's own trouble is told by those who store
    }
  }

  #join(address: InboxId, open: PeerOpen): void {
    const session = this.#context.agents.sessionOf(address);
    if (session === undefined) {
      this.#refuse('peer-offline');
      return;
    }
    let called: LinkStream;
    try {
      called = session.open('peer.accept');
    } catch {
      this.#refuse('peer-busy'); // as many streams as that agent takes, or it is just leaving
      return;
    }
    this.#called = called;
    this.#context.events.peerStream('joined');
    called.write(encodePeerOffer({ from: this.#callerAgent.publicKey, ...open }));
    called.onDrain(() => {
      if (this.#owedToCaller > 0) this.#caller.release(this.#owedToCaller);
      this.#owedToCaller = 0;
    });
    this.#caller.onDrain(() => {
      if (this.#owedToCalled > 0) called.release(this.#owedToCalled);
      this.#owedToCalled = 0;
    });
    called.hold();
    called.consume(
      (message) => this.#fromCalled(called, message),
      (reason) => this.#brokenBy(reason, this.#caller),
    );
    for (const message of this.#waiting.splice(0)) this.fromCaller(message);
  }

  fromCaller(message: Uint8Array | null): void {
    const called = this.#called;
    if (this.#isOver) return;
    if (called === null) {
      this.#waiting.push(message); // bounded by the caller's credit
      return;
    }
    if (message === null) {
      called.end();
      this.#oneEnded();
      return;
    }
    this.#bytes += message.length;
    if (called.write(message)) this.#caller.release(message.length);
    else this.#owedToCaller += message.length;
  }

  #fromCalled(called: LinkStream, message: Uint8Array | null): void {
    if (this.#isOver) return;
    if (message === null) {
      this.#caller.end();
      this.#oneEnded();
      return;
    }
    this.#bytes += message.length;
    if (this.#caller.write(message)) called.release(message.length);
    else this.#owedToCalled += message.length;
  }

  callerBroke(reason: Condition): void {
    this.#brokenBy(reason, this.#called);
  }

  #brokenBy(reason: Condition, other: LinkStream | null): void {
    if (this.#isOver) return;
    this.#over(null);
    other?.abort(new PeerBrokeError(reason.code, reason.retryable));
  }

  #refuse(code: 'peer-offline' | 'peer-busy'): void {
    if (this.#isOver) return;
    this.#over(code);
    this.#caller.abort(new PeerUnavailableError(code));
  }

  #oneEnded(): void {
    this.#openEnds -= 1;
    if (this.#openEnds === 0) this.#over(null);
  }

  #over(outcome: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    this.#callerAgent.peerStreams -= 1;
    if (outcome !== null) this.#context.events.peerStream(outcome);
    if (this.#bytes > 0) this.#context.events.peerBytes(this.#bytes);
  }
}
