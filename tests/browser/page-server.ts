import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import type { BoardSource } from '../../packages/node/src/gateway/board-source.ts';
import type { ConsentBackend } from '../../packages/node/src/gateway/consent-backend.ts';
import { startHttpServer } from '../../packages/node/src/gateway/http-server.ts';
import { ScriptedMesh, type ScriptOptions } from './scripted-mesh.ts';

/** The access key of every scripted server. */
export const scriptedToken = 'scripted-token-of-the-browser-tests';

export interface PageServer extends AsyncDisposable {
  readonly mesh: ScriptedMesh;
  /** Without a slash at the end. */
  readonly origin: string;
  /** Address that opens the page with its key. */
  readonly entry: string;
}

/** The gateway's real HTTP server, with its real headers and limits, before a scripted mesh. */
export async function startPageServer(
  options: Partial<ScriptOptions> & {
    readonly webDirectory: string;
    readonly port?: number;
    readonly board?: BoardSource;
    /** What is about consent; it may ask for the page's origin. */
    readonly consent?: (mesh: ScriptedMesh, origin: () => string) => ConsentBackend;
  },
): Promise<PageServer> {
  const clock = createSystemClock();
  const mesh = new ScriptedMesh({ historySeconds: 600, nowMs: () => clock.now(), ...options });
  let origin = '';
  const consent = options.consent?.(mesh, () => origin);
  const server = await startHttpServer(
    {
      host: '127.0.0.1',
      port: options.port ?? 0,
      token: scriptedToken,
      hostNames: [],
      webDirectory: options.webDirectory,
      version: '0.1.0',
      board: options.board ?? null,
      ...(consent === undefined ? {} : { consent }),
    },
    mesh,
    { clock, logger: silentLogger, meter: silentMeter },
  );
  origin = `http://localhost:${server.port}`;
  return {
    mesh,
    origin,
    entry: `${origin}/#token=${scriptedToken}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
