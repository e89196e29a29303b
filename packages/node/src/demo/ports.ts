import { createServer } from 'node:net';
import { Condition } from '@pulsemesh/base';

/** No free port was found. */
export class NoFreePortError extends Condition {
  override readonly name = 'NoFreePortError';
  constructor() {
    super('no-free-port', 'no free port was found on this machine', { retryable: true });
  }
}

/** A port that another program has taken since it was last used here. */
export interface MovedPort {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const loopback = '127.0.0.1';
const triesMax = 20;

/**
 * One free loopback port per name: the one it had before or is wanted at where that is free, else another, and says
 * which moved. So addresses stay the same from start to start.
 * @throws {NoFreePortError}.
 */
export async function choosePorts(
  names: readonly string[],
  wanted: Readonly<Record<string, number>>,
): Promise<{ readonly ports: Readonly<Record<string, number>>; readonly moved: readonly MovedPort[] }> {
  const ports: Record<string, number> = {};
  const moved: MovedPort[] = [];
  const taken = new Set<number>();
  for (const name of names) {
    const before = wanted[name] ?? 0;
    const isKept = before !== 0 && !taken.has(before) && (await tryPort(before)) !== null;
    const port = isKept ? before : await freePort(taken);
    if (before !== 0 && !isKept) moved.push({ name, from: before, to: port });
    taken.add(port);
    ports[name] = port;
  }
  return { ports, moved };
}

async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < triesMax; attempt += 1) {
    const port = await tryPort(0);
    if (port !== null && !taken.has(port)) return port;
  }
  throw new NoFreePortError();
}

/** Binds and lets go: the port that was free a moment ago, or null. */
function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: loopback, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : null;
      server.close(() => resolve(bound));
    });
  });
}
