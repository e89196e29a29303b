import { errorMessage, TimeoutError, withTimeout } from '@pulsemesh/base';
import type { Carrier, TransportName } from '../carrier.ts';
import { type CarrierConnectors, drawCarrierId } from '../client/carriers/connect.ts';
import type { ClientSession, SessionDependencies } from '../session-ends.ts';
import type { TransportFinding } from './report.ts';

export interface TransportOptions {
  readonly url: URL;
  readonly connectors: CarrierConnectors;
  /** A session of its own for each transport. */
  readonly createSession: () => ClientSession;
  /** It may take so long until data made a round trip, milliseconds. */
  readonly attemptMs: number;
}

/** Round trips after the first. */
const echoes = 5;

/** Tries one transport alone: connection, handshake, and some round trips. Never throws. */
export async function examineTransport(
  name: TransportName,
  options: TransportOptions,
  dependencies: SessionDependencies,
): Promise<TransportFinding> {
  const { clock, random } = dependencies;
  const connect = options.connectors[name];
  const failed = (reason: string): TransportFinding => ({ name, ok: false, reason, firstEchoMs: null, rttMs: null });
  if (connect === undefined) return failed('it does not exist here');
  await using session = options.createSession();
  session.established.catch(() => {});
  const startMs = clock.monotonicMs();
  try {
    return await withTimeout(clock, `an echo by ${name}`, options.attemptMs, async (signal) => {
      const carrier = await connect({ url: options.url, id: drawCarrierId(random), signal });
      const closing = () => carrier.close(null);
      signal.addEventListener('abort', closing, { once: true });
      const attachMs = await session.attach(carrier);
      const firstEchoMs = clock.monotonicMs() - startMs;
      const rttMs = await medianEcho(session, carrier, signal).catch(() => attachMs);
      return { name, ok: true, reason: null, firstEchoMs: tenths(firstEchoMs), rttMs: tenths(rttMs) };
    });
  } catch (error) {
    return failed(
      error instanceof TimeoutError
        ? 'connected, but no data came back: something swallows or holds it'
        : errorMessage(error),
    );
  }
}

async function medianEcho(session: ClientSession, carrier: Carrier, signal: AbortSignal): Promise<number> {
  session.use(carrier);
  const times: number[] = [];
  for (let echo = 0; echo < echoes; echo += 1) times.push(await session.probe(carrier, { signal }));
  times.sort((one, other) => one - other);
  return times[Math.floor(times.length / 2)] ?? 0;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
