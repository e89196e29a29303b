import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { TestBoard, testPlace } from '../../apps/web/src/board/testing-board.ts';
import { startWebServer } from '../../packages/node/src/board/web-server.ts';
import { boardPageSchema } from '../../packages/node/src/config/board-page-settings.ts';
import { type BoardSource, openBoardSource } from '../../packages/node/src/gateway/board-source.ts';

/** A board over HTTP on loopback, and what a gateway reads it with. */
export interface BoardServer extends AsyncDisposable {
  readonly board: TestBoard;
  readonly source: BoardSource;
}

/** Starts a board that shows these leaves. */
export async function startBoardServer(leaves: readonly Uint8Array[]): Promise<BoardServer> {
  const deps = { clock: createSystemClock(), logger: silentLogger };
  const board = await TestBoard.open(leaves);
  const server = await startWebServer({ host: '127.0.0.1', port: 0 }, board.answer, deps);
  const source = openBoardSource(boardPageSchema.parse({ url: `${server.url}/board`, ...testPlace }), deps);
  return {
    board,
    source,
    async [Symbol.asyncDispose]() {
      source[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
