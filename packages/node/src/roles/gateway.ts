import { servePeople } from '@pulsemesh/vitals/people';
import { createArrivalsWriter } from '../gateway/arrivals.ts';
import { loadOrCreateToken } from '../gateway/bearer-token.ts';
import { openBoardSource } from '../gateway/board-source.ts';
import { startHttpServer } from '../gateway/http-server.ts';
import { MeshBackend } from '../gateway/mesh-backend.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';
import { version } from '../version.ts';
import { tokenFile } from './token-file.ts';

/** The gateway: the page, its API, and the people directory. */
export async function startGateway(context: NodeContext): Promise<StartedRole> {
  const { config, deps, port, rpc, stack } = context;
  const { http } = config;
  if (http === undefined) throw new TypeError('a gateway without http settings'); // parseNodeConfig refuses it
  const [directory, records] = [await context.directory(), await context.records()];
  stack.use(servePeople(port, directory, deps));
  const arrivals = http.arrivalsFile === undefined ? null : stack.use(createArrivalsWriter(http.arrivalsFile, deps));
  const backend = stack.use(
    new MeshBackend(
      {
        name: 'Pulsemesh',
        version,
        replaySpeed: http.replaySpeed ?? null,
        inboxUrl: http.inboxUrl ?? null,
      },
      {
        ...deps,
        port,
        rpc,
        directory,
        records,
        ownStatus: () => context.status(),
        ownMetrics: () => deps.meter.text(),
        moveOwn: (relay, transport) => context.moveRelay(relay, transport),
        ...(arrivals === null ? {} : { onArrival: (change) => arrivals.write(change) }),
      },
    ),
  );
  const board = http.board === undefined ? null : stack.use(openBoardSource(http.board, deps));
  const server = await startHttpServer(
    {
      host: http.host,
      port: http.port,
      token: loadOrCreateToken(tokenFile(config.dataDirectory), deps.random),
      hostNames: http.hostNames,
      webDirectory: http.webDirectory ?? null,
      version,
      board,
    },
    backend,
    deps,
  );
  stack.use(server);
  return { ports: { http: server.port } };
}
