import type { LookupFunction } from 'node:net';
import { connect, type Socket } from 'node:net';
import { errorCode } from '@pulsemesh/base';

/** What Node says when a name cannot be resolved. */
export const nameErrorCodes: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NONAME',
  'EAI_NODATA',
]);

/** A TCP connection failed; `code` is Node's. */
export class TcpFailure extends Error {
  override readonly name = 'TcpFailure';
  readonly code: string;
  constructor(code: string) {
    super(`TCP connection failed (${code})`);
    this.code = code;
  }
}

/**
 * Connects to any of the host's addresses, the families raced 250 ms apart (RFC 8305; Node's `autoSelectFamily`).
 * @throws {TcpFailure}; `signal.reason`. Nothing stays open then.
 */
export function connectTcp(
  host: string,
  port: number,
  options: { readonly signal: AbortSignal; readonly lookup?: LookupFunction },
): Promise<Socket> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      autoSelectFamily: true,
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    });
    const settle = (action: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
      action();
    };
    const onConnect = () => settle(() => resolve(socket));
    const fail = (reason: unknown) =>
      settle(() => {
        socket.on('error', () => {});
        socket.destroy();
        reject(reason);
      });
    const onError = (error: Error) => fail(new TcpFailure(codeOf(error)));
    const onAbort = () => fail(signal.reason);
    socket.once('connect', onConnect);
    socket.once('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function codeOf(error: Error): string {
  // Several addresses failed: Node gathers them, and the first says as much as any.
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  return errorCode(error);
}
