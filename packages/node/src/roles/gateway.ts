import { servePeople } from '@pulsemesh/vitals/people';
import type { ConsentSettings } from '../config/consent-settings.ts';
import { createArrivalsWriter } from '../gateway/arrivals.ts';
import { loadOrCreateToken } from '../gateway/bearer-token.ts';
import { openBoardSource } from '../gateway/board-source.ts';
import type { ConsentBackend } from '../gateway/consent-backend.ts';
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
  const consent = config.consent === undefined ? undefined : await startHome(context, config.consent);
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
      ...(consent === undefined ? {} : { consent }),
    },
    backend,
    deps,
  );
  stack.use(server);
  return { ports: { http: server.port } };
}

/** The patients' side of consent; a gateway that only follows a ledger shows what is public of it. */
async function startHome(context: NodeContext, settings: ConsentSettings): Promise<ConsentBackend> {
  // Loaded only where there is consent: the rest of the gateway does without.
  const { startOfficeAgent } = await import('../consent/office-agent.ts');
  const { startDesk } = await import('../consent/start-desk.ts');
  const { openHomeDesk } = await import('../consent/home-desk.ts');
  const [directory, records] = [await context.directory(), await context.records()];
  const agent = await startOfficeAgent(context, settings);
  const parts = { settings, agent, directory, records };
  const isHome = settings.home !== undefined;
  return startDesk(context, settings, agent, {
    kind: isHome ? 'home' : 'network',
    openHome: isHome ? (node, onChange) => openHomeDesk(context, parts, node, onChange) : null,
    openResearch: null,
  });
}
