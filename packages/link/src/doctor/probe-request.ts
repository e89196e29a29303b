import { type IncomingMessage, request } from 'node:http';
import { type Clock, Condition, errorCode, withTimeout } from '@pulsemesh/base';
import { pathUnder } from '../client/carriers/connect.ts';
import { dialTargetOf } from '../client/carriers/dial.ts';
import type { Dialer } from '../dialer.ts';

/** An answer did not come as HTTP. */
export class ProbeFailedError extends Condition {
  override readonly name = 'ProbeFailedError';
  constructor(reason: string) {
    super('probe-failed', `the connection ended before an answer (${reason})`, { facts: { reason }, retryable: true });
  }
}

/** One answer to a probe. */
export interface ProbeAnswer {
  readonly status: number;
  /** Via, or else Server: who answered, as far as it says so. */
  readonly answeredBy: string | null;
  readonly body: string;
  /** When each piece of the body arrived, milliseconds after the first. */
  readonly arrivalsMs: readonly number[];
}

export interface ProbeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs: number;
}

export interface ProbeDependencies {
  readonly dialer: Dialer;
  readonly clock: Clock;
}

/** Bytes of an answer that are looked at; a box's error page can be anything. */
const answerBytesMax = 64 * 1024;

/**
 * One HTTP/1.1 request on a connection of its own, the way every box can follow.
 * @throws what the dialer throws; {@link ProbeFailedError}; {@link TimeoutError}.
 */
export function askProbe(url: URL, probe: ProbeRequest, dependencies: ProbeDependencies): Promise<ProbeAnswer> {
  return withTimeout(dependencies.clock, `the probe ${probe.path}`, probe.timeoutMs, async (signal) => {
    const { socket } = await dependencies.dialer.connect({ ...dialTargetOf(url, ['http/1.1']), signal });
    try {
      return await exchange(socket, url, probe, dependencies.clock, signal);
    } finally {
      socket.destroy();
    }
  });
}

function exchange(
  socket: Awaited<ReturnType<Dialer['connect']>>['socket'],
  url: URL,
  probe: ProbeRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const asking = request({
      createConnection: () => socket,
      method: probe.method,
      path: pathUnder(url, probe.path),
      headers: { host: url.host, 'content-length': probe.body?.length ?? 0, ...probe.headers },
      signal,
    });
    asking.on('error', (error) => reject(signal.aborted ? signal.reason : new ProbeFailedError(errorCode(error))));
    asking.on('upgrade', (answer) => resolve(answerOf(answer, '', [])));
    asking.on('response', (answer) => {
      let body = '';
      const startMs = clock.monotonicMs();
      const arrivalsMs: number[] = [];
      answer.on('data', (piece: Buffer) => {
        if (body.length > answerBytesMax) return;
        arrivalsMs.push(clock.monotonicMs() - startMs);
        body += piece.toString('latin1');
      });
      answer.on('end', () => resolve(answerOf(answer, body, arrivalsMs)));
      answer.on('error', (error) => reject(new ProbeFailedError(errorCode(error))));
    });
    asking.end(probe.body);
  });
}

function answerOf(answer: IncomingMessage, body: string, arrivalsMs: readonly number[]): ProbeAnswer {
  const by = answer.headers['via'] ?? answer.headers['server'] ?? null;
  return {
    status: answer.statusCode ?? 0,
    answeredBy: by === null ? null : String(by).replace(/\p{C}/gu, '?').slice(0, 100),
    body,
    arrivalsMs,
  };
}
