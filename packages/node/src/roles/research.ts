import { startOfficeAgent } from '../consent/office-agent.ts';
import { openResearchDesk } from '../consent/research-desk.ts';
import { startDesk } from '../consent/start-desk.ts';
import { loadOrCreateToken } from '../gateway/bearer-token.ts';
import { openBoardSource } from '../gateway/board-source.ts';
import { startHttpServer } from '../gateway/http-server.ts';
import { QuietBackend } from '../gateway/quiet-backend.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';
import { version } from '../version.ts';
import { tokenFile } from './token-file.ts';

/** A researcher's node: the same page and API as a gateway's, without patients. */
export async function startResearch(context: NodeContext): Promise<StartedRole> {
  const { config, deps, port, rpc, stack } = context;
  const { http, consent } = config;
  if (http === undefined || consent === undefined) throw new TypeError('research without settings'); // parseNodeConfig refuses it
  const agent = await startOfficeAgent(context, consent);
  const desk = startDesk(context, consent, agent, {
    kind: 'research',
    openHome: null,
    openResearch: (node, onChange) => openResearchDesk(context, consent, agent, node, onChange),
  });
  const backend = stack.use(
    new QuietBackend(
      { name: consent.organisation, version },
      {
        ...deps,
        port,
        rpc,
        ownStatus: () => context.status(),
        ownMetrics: () => deps.meter.text(),
        moveOwn: (relay, transport) => context.moveRelay(relay, transport),
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
      consent: desk,
    },
    backend,
    deps,
  );
  stack.use(server);
  return { ports: { http: server.port } };
}
