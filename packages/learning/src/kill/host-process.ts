import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createBoardHttp, openBoardLog } from '@pulsemesh/board/server';
import { openEngine, startRelayServer } from '@pulsemesh/relay';
import { openLmdbTables } from '@pulsemesh/store';
import { boardSigner, dependencies, identityOf, origin } from './common.ts';

// A relay and a board for the kill test. Arguments: DIRECTORY. Prints their URLs once they listen.

const [directory = ''] = process.argv.slice(2);
const relay = await startRelayServer(
  {
    identity: identityOf(50),
    engine: await openEngine(undefined, { directory: join(directory, 'relay') }, dependencies),
    listen: { host: '127.0.0.1', port: 0, tls: null },
  },
  dependencies,
);
const store = await openLmdbTables({ directory: join(directory, 'board') });
const log = await openBoardLog({ store, signer: boardSigner, origin });
const board = createBoardHttp({ log, admit: (leaf, _source, wait) => log.append(leaf, wait) }, dependencies);
const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const { method = 'GET', url = '/' } = request;
  const body = method === 'POST' ? { body: new Uint8Array(Buffer.concat(parts)) } : {};
  const answer = await board(new Request(new URL(url, 'http://board'), { method, ...body }), 'a client');
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(new Uint8Array(await answer.arrayBuffer()));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${relay.url} http://127.0.0.1:${(server.address() as AddressInfo).port}/board\n`);
});
