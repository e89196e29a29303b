import { connect, createServer, type Socket } from 'node:net';
import type { Clock, Timer } from '@pulsemesh/base';
import { cutTogether, listen, type Place, type Stage } from './stage.ts';

/** What a box does to bytes without looking into them. */
export interface TcpRules {
  /** A connection on which nothing moved for so long is over. */
  readonly idleMs?: number;
  /** How an idle one ends: `reset` tells both ends, `forget` swallows everything from then on, as a NAT does. Default `reset`. */
  readonly idleEnd?: 'reset' | 'forget';
  /** The connection is reset once so many bytes, both ways together, passed. */
  readonly resetAfterBytes?: number;
  /** What goes to the agent is swallowed on a connection once so many bytes went that way; the other way still passes. */
  readonly swallowDownAfterBytes?: number;
  /** The same for what goes to the server. */
  readonly swallowUpAfterBytes?: number;
  /** Every chunk waits so long, each way. */
  readonly delayMs?: number;
}

/** A box that moves bytes: a firewall that keeps connection state, a NAT, a bad line. */
export function startTcpStage(next: Place, rules: TcpRules, dependencies: { readonly clock: Clock }): Promise<Stage> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (front) => {
    const back = connect({ ...next, allowHalfOpen: true, noDelay: true });
    const watch = watchConnection(front, back, rules, dependencies.clock);
    pass(front, back, rules.swallowUpAfterBytes, watch, rules, dependencies.clock);
    pass(back, front, rules.swallowDownAfterBytes, watch, rules, dependencies.clock);
    cutTogether(front, back);
  });
  return listen(server);
}

interface Watch {
  /** Counts what moved; false once the connection is over or forgotten. */
  moved(bytes: number): boolean;
}

function watchConnection(front: Socket, back: Socket, rules: TcpRules, clock: Clock): Watch {
  let bytesMoved = 0;
  let isForgotten = false;
  let idleTimer: Timer | undefined;
  const reset = () => {
    front.resetAndDestroy();
    back.resetAndDestroy();
  };
  const onIdle = () => {
    if (rules.idleEnd === 'forget') isForgotten = true;
    else reset();
  };
  const restart = () => {
    idleTimer?.cancel();
    if (rules.idleMs !== undefined) idleTimer = clock.setTimer(onIdle, rules.idleMs);
  };
  restart();
  front.on('close', () => idleTimer?.cancel());
  return {
    moved(bytes) {
      if (isForgotten) return false;
      restart();
      bytesMoved += bytes;
      if (rules.resetAfterBytes === undefined || bytesMoved <= rules.resetAfterBytes) return true;
      reset();
      return false;
    },
  };
}

function pass(
  from: Socket,
  to: Socket,
  swallowAfterBytes: number | undefined,
  watch: Watch,
  rules: TcpRules,
  clock: Clock,
): void {
  let bytesPassed = 0;
  const write = (chunk: Buffer) => {
    if (to.destroyed || to.writableEnded || to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  };
  const later = (action: () => void) => {
    if (rules.delayMs === undefined) action();
    else clock.setTimer(action, rules.delayMs);
  };
  from.on('data', (chunk: Buffer) => {
    if (!watch.moved(chunk.length)) return;
    bytesPassed += chunk.length;
    if (swallowAfterBytes !== undefined && bytesPassed > swallowAfterBytes) return;
    later(() => write(chunk));
  });
  from.on('end', () => later(() => to.end()));
}
